"""The optimizers of the tables, and one as a user's module may add it."""

from typing import Any, ClassVar, Literal

import torch
from pydantic.dataclasses import dataclass

from launch.config import STRICT
from launch.training.optimizer import OPTIMIZERS, BaseLr, MinLr, WeightDecay, WeightDecayEnd


@dataclass(frozen=True, config=STRICT)
class SGDConfig:
    """PyTorch's SGD, as it comes: it cannot skip a gradient without the host."""

    kind: Literal["sgd"] = "sgd"
    """The optimizer."""
    base_lr: BaseLr = 0.1
    min_lr: MinLr = 0.0
    weight_decay: WeightDecay = 0.0
    weight_decay_end: WeightDecayEnd = None

    states: ClassVar[tuple[str, ...]] = ("momentum_buffer",)
    counts_steps: ClassVar[bool] = False
    clips_on_device: ClassVar[bool] = False

    def build(self, groups: list[dict[str, Any]], offload: bool) -> torch.optim.Optimizer:
        return torch.optim.SGD(groups, lr=0.0, momentum=0.9)

    def new_step_counter(self, optimizer: Any, parameter: torch.Tensor) -> None:
        return None


KINDS = {**OPTIMIZERS, "sgd": SGDConfig}
# Runs of the checkpoint tests: stage 0 is where SGD differs, for DeepSpeed skips at the others.
RUNS = [(kind, stage) for kind in KINDS for stage in range(1 if kind == "sgd" else 4)]
