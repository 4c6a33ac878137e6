"""The setting that `benchmarks.scaling` gives to its processes, and the results they return."""

from typing import Any, NamedTuple

from pydantic import TypeAdapter

from pretrain.config import PretrainConfig


class Setting(NamedTuple):
    """A training step that is the same for any number of processes."""

    stage: int
    precision: str
    size: str
    image: int  # height and width in pixels
    clips: int  # of a step
    micro_batch_size: int
    steps: int
    recompute: bool

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
                "activation_checkpointing": self.recompute,
            },
        }
        return TypeAdapter(PretrainConfig).validate_python(values)


class Measured(NamedTuple):
    """Results of one process, or their mean over all; of the last step if there are several."""

    values: int  # parameters
    resident: int  # of the parameters that ZeRO 3 does not shard
    sent: dict[str, float]  # bytes by kind of collective
    collectives: int
    held: dict[str, int]  # bytes between the backward pass and the update
    peak: int  # most bytes of all live tensors at one time
    process: int  # most bytes of the whole process
    losses: list[float]  # mean loss of each step
