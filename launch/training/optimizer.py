"""The optimizer of a run, and the parameter groups that it updates."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from launch.config import EngineConfig, OptimizerConfig

NO_WEIGHT_DECAY = {"mask_token", "class_token", "positions"}


def parameter_groups(
    model: nn.Module, scale: Callable[[str], float] = lambda name: 1.0
) -> list[dict[str, Any]]:
    """Trained parameters by weight decay and `scale`, which multiplies their learning rate.

    Biases, norms, tokens and positions have no weight decay. Frozen parameters are in no group.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            plain = parameter.ndim < 2 or bool(NO_WEIGHT_DECAY & set(name.split(".")))
            groups.setdefault((scale(name), not plain), []).append(parameter)
    return [
        {"params": groups[key], "scale": key[0], "decays": key[1]}
        for key in sorted(groups, reverse=True)
    ]


def build_optimizer(
    model: nn.Module,
    optimizer: OptimizerConfig,
    engine: EngineConfig,
    scale: Callable[[str], float],
) -> torch.optim.Optimizer:
    kind: Any = torch.optim.AdamW
    options: dict[str, Any] = {"fused": True}
    if engine.offload_optimizer:
        from deepspeed.ops.adam import DeepSpeedCPUAdam

        kind, options = DeepSpeedCPUAdam, {"adamw_mode": True}
    groups = parameter_groups(model, scale)
    return kind(groups, lr=0.0, betas=optimizer.betas, eps=optimizer.eps, **options)
