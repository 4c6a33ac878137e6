"""Settings that `benchmarks.scaling` sends to its processes, and the measurements they return."""

from typing import Any, NamedTuple

from pydantic import TypeAdapter

from pretrain.config import PretrainConfig


class StepSetting(NamedTuple):
    """A training step, the same on any number of processes."""

    stage: int
    precision: str
    size: str
    image: int  # side in pixels
    clips: int  # per step
    micro_batch_size: int
    steps: int
    activation_checkpointing: bool

    def config(self) -> PretrainConfig:
        values: dict[str, Any] = {
            "run": "unused",
            "data": {"source": "unused"},
            "encoder": {"size": self.size, "image_size": self.image},
            "decoder": {"size": self.size},
            "batch": {
                "global_batch_size": self.clips,
                "micro_batch_size": self.micro_batch_size,
            },
            "engine": {
                "zero_stage": self.stage,
                "precision": self.precision,
                "clip_grad_norm": 1.0,
                "activation_checkpointing": self.activation_checkpointing,
            },
        }
        return TypeAdapter(PretrainConfig).validate_python(values)


class RankMeasurement(NamedTuple):
    """Measurements of one process, or means over all; `sent`, `memory`: of the last step."""

    values: int  # parameters
    resident: int  # parameters that ZeRO 3 does not partition
    sent: dict[str, float]  # bytes by kind of collective
    collectives: int
    memory: dict[str, int]  # bytes between the backward pass and the update
    peak: int  # peak bytes of all live tensors
    process: int  # peak bytes of the process
    losses: list[float]  # mean over the clips, for each step
