"""The part of a run's state that one process owns under ZeRO, as named fragments of parameters.

ZeRO (Rajbhandari et al., SC 2020) flattens parameters into buffers and cuts them at positions that
depend on the number of processes. A fragment names its parameter and its position in it, so a
checkpoint made of fragments depends neither on the stage nor on the number of processes.
"""

from typing import Any, NamedTuple

from torch import Tensor, nn, zeros_like

from launch.training.deepspeed_private import base_optimizer, owned_shard
from launch.training.optimizer import OptimizerConfig

WEIGHT = "weight"


class Fragment(NamedTuple):
    """A contiguous part of a flattened parameter: float32 weight and optimizer states.

    The tensors are views of the optimizer's own memory: writing to them sets its state.
    """

    name: str
    shape: tuple[int, ...]  # of the whole parameter
    start: int
    tensors: dict[str, Tensor]  # WEIGHT and the states of the optimizer, all flat, of one length

    @property
    def stop(self) -> int:
        return self.start + len(self.tensors[WEIGHT])


def owned_fragments(
    model: nn.Module, optimizer: Any, config: OptimizerConfig, stage: int
) -> list[Fragment]:
    """The fragments of this process; at stage 0 every process owns all parameters.

    Frozen parameters have none: they stay as the model was built with them. `optimizer` is what
    DeepSpeed returned.
    """
    fragments = []
    for name, parameter in model.named_parameters():
        shard = owned_shard(parameter, optimizer, stage) if parameter.requires_grad else None
        if shard is None:
            continue
        flat = {WEIGHT: shard.buffer.data, **_states(optimizer, config, shard.buffer)}
        tensors = {
            key: tensor.reshape(-1).narrow(0, shard.offset, shard.size)
            for key, tensor in flat.items()
        }
        fragments.append(Fragment(name, shard.shape, shard.start, tensors))
    return fragments


def step_counters(optimizer: Any) -> list[tuple[dict[str, Any], Any]]:
    """The counters of updates, one for each flat buffer: the state and its value."""
    states = base_optimizer(optimizer).state.values()
    return [(state, state["step"]) for state in states if "step" in state]


def _states(optimizer: Any, config: OptimizerConfig, buffer: Tensor) -> dict[str, Tensor]:
    """The optimizer states of a buffer; missing ones are created as the first step would do it."""
    base = base_optimizer(optimizer)
    state = base.state[buffer]
    if not state:
        if config.counts_steps:
            state["step"] = config.new_step_counter(base, buffer)
        for name in config.states:
            state[name] = zeros_like(buffer)
    return {name: state[name] for name in config.states}
