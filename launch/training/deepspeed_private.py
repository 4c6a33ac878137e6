"""All uses of DeepSpeed's undocumented names.

PRIVATE_NAMES lists them by the module that defines them, so that a test can check a new version.
"""

import logging
import os
import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

PRIVATE_NAMES = {
    "deepspeed.runtime.zero.stage_1_and_2": (
        "_global_grad_norm",
        "_hp_mapping",
        "loss_scaler",
        "overflow",
        "update_lp_params",
    ),
    "deepspeed.utils.tensor_fragment": (
        "hp_fragment_address",
        "lp_fragment_address",
        "param_group_index",
    ),
    "deepspeed.runtime.zero.stage3": (
        "_global_grad_norm",
        "fp32_partitioned_groups_flat",
        "get_param_id",
        "grad_position",
        "loss_scaler",
        "overflow",
        "persistent_parameters",
    ),
    "deepspeed.runtime.zero.partition_parameters": (
        "all_gather",
        "ds_numel",
        "ds_shape",
        "ds_tensor",
        "partition",
    ),
    "deepspeed.runtime.fp16.loss_scaler": (
        "cur_hysteresis",
        "cur_iter",
        "cur_scale",
        "last_overflow_iter",
    ),
    "deepspeed.ops": ("__compatible_ops__",),
    "deepspeed.runtime.utils": ("mask_nan_or_inf_with_val_inplace", "is_invalid_grad_norm"),
    "deepspeed.runtime.bf16_optimizer": ("_global_grad_norm", "is_invalid_grad_norm"),
}
SCALER_STATE = ("cur_scale", "cur_iter", "last_overflow_iter", "cur_hysteresis")


def import_deepspeed(device: torch.device) -> Any:
    """The package, without its log messages, and without a compilation on the CPU."""
    warnings.filterwarnings("ignore", category=FutureWarning)
    if device.type == "cpu":
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    import deepspeed
    import deepspeed.ops

    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    _mark_bad_norms_on_device()
    if device.type == "cpu":
        # only inference uses it, but the first start would compile it for minutes
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    return deepspeed


def _mark_bad_norms_on_device() -> None:
    """Replaces the function that makes a norm -1 where it is not finite.

    DeepSpeed's copies the -1 from the host, once for each parameter group and step, and each copy
    waits for the device.
    """
    from deepspeed.runtime import utils
    from deepspeed.runtime.zero import stage3, stage_1_and_2

    for module in (utils, stage3, stage_1_and_2):
        module.mask_nan_or_inf_with_val_inplace = _mark_bad_norm


def _mark_bad_norm(norm: Tensor, device: Any = None, val: float = -1.0) -> None:
    norm.masked_fill_(~torch.isfinite(norm), val)


def base_optimizer(optimizer: Any) -> torch.optim.Optimizer:
    """The optimizer that DeepSpeed's wrapper steps; at stage 0 there is no wrapper."""
    return getattr(optimizer, "optimizer", optimizer)


def global_grad_norm(optimizer: Any) -> Any:
    """The norm of the gradient that the wrapper of stage 1 to 3 computed for this step.

    Infinite where it is not finite, which DeepSpeed marks with -1.
    """
    norm = optimizer._global_grad_norm
    return torch.where(norm < 0, torch.inf, norm) if isinstance(norm, Tensor) else norm


def skip_norm_check(optimizer: Any) -> None:
    """Lets the wrapper of stage 1 in bf16 update whatever the norm is, without reading it.

    For an optimizer that does nothing itself where the norm is not finite. The wrapper would read
    the norm on the host, and wait for the device, at every step.
    """
    from deepspeed.runtime import bf16_optimizer

    if not isinstance(optimizer, bf16_optimizer.BF16_Optimizer):
        return
    step = optimizer.step

    def unchecked_step(closure: Any = None) -> None:
        check = bf16_optimizer.is_invalid_grad_norm
        bf16_optimizer.is_invalid_grad_norm = lambda norm: False
        try:
            step(closure)
        finally:
            bf16_optimizer.is_invalid_grad_norm = check

    optimizer.step = unchecked_step


def has_overflowed(optimizer: Any) -> bool:
    """Whether DeepSpeed skipped the last step because its gradient was not finite."""
    return bool(optimizer.overflow)


def loss_scaler(optimizer: Any) -> Any:
    """The scaler of the loss in fp16; SCALER_STATE names its state."""
    return optimizer.loss_scaler


class Shard(NamedTuple):
    """Where the part of a parameter that this process owns is in the optimizer's memory."""

    shape: tuple[int, ...]  # of the whole parameter
    start: int  # first value of the flattened parameter that it owns
    size: int  # values
    buffer: Tensor  # the flat float32 buffer that has them, a key of the optimizer's state
    offset: int  # of the first of them in the buffer


def owned_shard(parameter: Any, optimizer: Any, stage: int) -> Shard | None:
    """The shard of this process; None where it owns nothing of a parameter.

    Stage 0 replicates parameters, 1 and 2 cut the flat buffer of a parameter group into equal
    parts, 3 cuts each parameter into equal parts and pads the last one.
    """
    if stage == 0:
        return Shard(tuple(parameter.shape), 0, parameter.numel(), parameter, 0)
    if stage < 3:
        mapping = parameter._hp_mapping
        if mapping is None:
            return None
        group = base_optimizer(optimizer).param_groups[mapping.param_group_index]
        address = mapping.lp_fragment_address
        offset = mapping.hp_fragment_address.start
        return Shard(
            tuple(parameter.shape), address.start, address.numel, group["params"][0], offset
        )
    buffer, offset, padded = _stage3_partition(parameter, optimizer)
    start = torch.distributed.get_rank() * padded
    size = min(padded, parameter.ds_numel - start)
    return Shard(tuple(parameter.ds_shape), start, size, buffer, offset) if size > 0 else None


def _stage3_partition(parameter: Any, optimizer: Any) -> tuple[Tensor, int, int]:
    """Flat float32 buffer, offset in it, and values with padding."""
    group, offset, padded = optimizer.grad_position[optimizer.get_param_id(parameter)]
    return optimizer.fp32_partitioned_groups_flat[group], offset, padded


def update_model_weights(model: nn.Module, optimizer: Any, stage: int) -> None:
    """Copies the float32 weights of all shards into the parameters that the model computes with.

    Every process calls it after writing to its shards.
    """
    if stage in (1, 2):
        optimizer.update_lp_params()
    if stage == 3:
        for parameter in (each for each in model.parameters() if each.requires_grad):
            buffer, offset, padded = _stage3_partition(parameter, optimizer)
            partition: Any = parameter
            partition.ds_tensor.data.copy_(buffer.data.narrow(0, offset, padded))
        resident = optimizer.persistent_parameters
        if resident:
            resident[0].partition(resident)
            resident[0].all_gather(resident)
