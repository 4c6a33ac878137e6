"""What `benchmarks.scaling` asks of its processes, and what they answer."""

from typing import Any, NamedTuple

from pydantic import TypeAdapter

from pretrain.config import PretrainConfig


class Setting(NamedTuple):
    """A training step that is the same on any number of processes."""

    stage: int
    precision: str
    size: str
    image: int  # pixels of a side
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
    """Of one process, or the mean over all of them; of the last step where there are several."""

    values: int  # parameters
    resident: int  # of them in parameters that ZeRO 3 keeps whole
    sent: dict[str, float]  # bytes by the kind of collective
    collectives: int
    held: dict[str, int]  # bytes between the backward pass and the update
    peak: int  # bytes of all tensors that are alive at once
    process: int  # bytes that the whole process has held at most
    losses: list[float]  # of each step, the mean over its clips
