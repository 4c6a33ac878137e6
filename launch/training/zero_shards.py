"""The part of a run's state that one process owns under ZeRO, as named pieces of parameters.

ZeRO (Rajbhandari et al., SC 2020) flattens parameters into buffers and cuts these at places that
depend on the number of processes. A fragment says which stretch of which parameter a piece is, so
a checkpoint made of fragments does not depend on the stage or on the number of processes.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

MOMENTS = ("exp_avg", "exp_avg_sq")
WEIGHT = "weight"


class Fragment(NamedTuple):
    """One stretch of one flattened parameter: float32 weight and AdamW's moments.

    The tensors are views of the optimizer's own memory: writing to them sets its state.
    """

    name: str
    shape: tuple[int, ...]
    start: int
    tensors: dict[str, Tensor]  # WEIGHT and MOMENTS, all flat and of one length

    @property
    def stop(self) -> int:
        return self.start + len(self.tensors[WEIGHT])


def owned_fragments(model: nn.Module, optimizer: Any, stage: int) -> list[Fragment]:
    """The fragments of this process; at stage 0 every process owns every parameter whole.

    Frozen parameters have none: they are what they were when the model was built.

    `optimizer` is what DeepSpeed returned: torch's own at stage 0, else its ZeRO wrapper.
    """
    walk = {0: _replicated, 1: _partitioned_groups, 2: _partitioned_groups, 3: _partitioned_each}
    return list(walk[stage](model, optimizer))


def base_optimizer(optimizer: Any) -> torch.optim.Optimizer:
    """The optimizer that DeepSpeed's wrapper steps, or the one that is not wrapped."""
    return getattr(optimizer, "optimizer", optimizer)


def step_counters(optimizer: Any) -> list[tuple[dict[str, Any], Any]]:
    """AdamW's bias-correction counters, one a flat buffer: the state and its present value."""
    states = base_optimizer(optimizer).state.values()
    return [(state, state["step"]) for state in states if "step" in state]


def _moments(optimizer: Any, buffer: Tensor) -> dict[str, Tensor]:
    """The optimizer state of a buffer, made as the first step would make it where it is missing."""
    base = base_optimizer(optimizer)
    state = base.state[buffer]
    if not state:
        counts_in_tensor = isinstance(base, torch.optim.AdamW)
        device = buffer.device if base.defaults.get("fused") else "cpu"
        state["step"] = torch.zeros((), device=device) if counts_in_tensor else 0
        for moment in MOMENTS:
            state[moment] = torch.zeros_like(buffer, memory_format=torch.preserve_format)
    return {moment: state[moment] for moment in MOMENTS}


def _fragment(
    name: str,
    shape: tuple[int, ...],
    start: int,
    size: int,
    buffer: Tensor,
    moments: dict[str, Tensor],
    offset: int,
) -> Fragment:
    flat = {WEIGHT: buffer.data, **moments}
    pieces = {key: tensor.reshape(-1).narrow(0, offset, size) for key, tensor in flat.items()}
    return Fragment(name, shape, start, pieces)


def _replicated(model: nn.Module, optimizer: Any) -> Iterator[Fragment]:
    for name, parameter in _trained(model):
        moments = _moments(optimizer, parameter)
        yield _fragment(name, tuple(parameter.shape), 0, parameter.numel(), parameter, moments, 0)


def _trained(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Parameters by name; DeepSpeed has hung attributes on them that their type does not know."""
    return ((name, each) for name, each in model.named_parameters() if each.requires_grad)


def _partitioned_groups(model: nn.Module, optimizer: Any) -> Iterator[Fragment]:
    """Stages 1 and 2: each process owns an equal stretch of each parameter group's flat buffer."""
    for name, parameter in _trained(model):
        place = parameter._hp_mapping
        if place is None:
            continue
        buffer = base_optimizer(optimizer).param_groups[place.param_group_index]["params"][0]
        yield _fragment(
            name,
            tuple(parameter.shape),
            place.lp_fragment_address.start,
            place.lp_fragment_address.numel,
            buffer,
            _moments(optimizer, buffer),
            place.hp_fragment_address.start,
        )


def _partitioned_each(model: nn.Module, optimizer: Any) -> Iterator[Fragment]:
    """Stage 3: each process owns an equal stretch of each parameter, padded at its end."""
    rank = torch.distributed.get_rank()
    for name, parameter in _trained(model):
        group, offset, padded = optimizer.grad_position[optimizer.get_param_id(parameter)]
        start = rank * padded
        size = min(padded, parameter.ds_numel - start)
        if size <= 0:
            continue
        buffer = optimizer.fp32_partitioned_groups_flat[group]
        moments = _moments(optimizer, buffer)
        shape = tuple(parameter.ds_shape)
        yield _fragment(name, shape, start, size, buffer, moments, offset)


def update_model_weights(model: nn.Module, optimizer: Any, stage: int) -> None:
    """Copies the float32 weights of all fragments into the parameters that the model computes with.

    Every process calls it, after it has written its fragments.
    """
    if stage in (1, 2):
        optimizer.update_lp_params()
    if stage == 3:
        for _, parameter in _trained(model):
            group, offset, padded = optimizer.grad_position[optimizer.get_param_id(parameter)]
            buffer = optimizer.fp32_partitioned_groups_flat[group]
            parameter.ds_tensor.data.copy_(buffer.data.narrow(0, offset, padded))
        resident = optimizer.persistent_parameters
        if resident:
            resident[0].partition(resident)
            resident[0].all_gather(resident)
