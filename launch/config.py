"""Settings of a run that do not depend on what is trained."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")
Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, config=STRICT)
class BatchConfig:
    """One optimizer step; the number of processes follows, it does not enter the recipe."""

    global_batch_size: Positive = 256  # of a step, all processes together
    micro_batch_size: Positive = 8  # of one forward pass on one process


@dataclass(frozen=True, config=STRICT)
class ScheduleConfig:
    """How long, and the course of the learning rate; give `steps` or `epochs`."""

    steps: Positive | None = None
    epochs: Annotated[float, Field(gt=0)] | None = None
    warmup: Share = 0.05  # of all steps

    @model_validator(mode="after")
    def _one_length(self) -> "ScheduleConfig":
        if self.steps and self.epochs:
            raise ValueError("steps and epochs are both given; drop one")
        return self


@dataclass(frozen=True, config=STRICT)
class OptimizerConfig:
    """AdamW. Learning rates are for 256 clips a step and scale with `batch.clips`."""

    base_lr: Annotated[float, Field(gt=0)] = 1.5e-4
    min_lr: Annotated[float, Field(ge=0)] = 1e-5
    betas: tuple[Share, Share] = (0.9, 0.95)
    eps: Annotated[float, Field(gt=0)] = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    weight_decay_end: Annotated[float, Field(ge=0)] | None = (
        None  # cosine towards it; None: constant
    )


@dataclass(frozen=True, config=STRICT)
class EngineConfig:
    """DeepSpeed."""

    zero_stage: Annotated[int, Field(ge=0, le=3)] = 2
    # auto: bf16 on a GPU, fp32 on a CPU; fp16, with a scaled loss, for GPUs without bf16
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    clip_grad_norm: Annotated[float, Field(gt=0)] | None = None
    offload_optimizer: bool = (
        False  # optimizer states in main memory; compiles DeepSpeed's CPU Adam
    )
    # activation checkpointing of every block; auto: where activations would not fit the memory
    activation_checkpointing: bool | Literal["auto"] = False
    compile: bool = False  # every block by torch.compile: minutes at the start, faster on a GPU
    collective_timeout: Positive = 1800  # a process that waits longer for the others gives up
    hang_timeout: Positive = 300  # without a step, then every process tells where it is
    heartbeat_timeout: Positive = 60  # of silence, then a process counts as lost and the others end
    max_nonfinite_steps: Annotated[int, Field(ge=0)] = 10  # steps whose gradient was not finite

    @model_validator(mode="after")
    def _known_to_work(self) -> "EngineConfig":
        if self.zero_stage == 0 and self.precision in ("bf16", "fp16"):
            raise ValueError(
                f"zero_stage 0 with precision {self.precision} trains wrongly in DeepSpeed; take "
                "zero_stage 1"
            )
        if self.zero_stage == 0 and self.offload_optimizer:
            raise ValueError("zero_stage 0 has no offload_optimizer; take zero_stage 1 or above")
        if self.zero_stage == 3 and self.compile:
            raise ValueError(
                "zero_stage 3 gathers weights where a compiled block cannot; take compile false or "
                "zero_stage 2"
            )
        return self


def read_timeout_problem(read_timeout: float, engine: EngineConfig) -> str:
    """What is wrong where a read may outlast the processes' patience with each other; else ""."""
    if read_timeout < engine.collective_timeout:
        return ""
    return (
        f"data.read_timeout {read_timeout:g} is not below engine.timeout_seconds "
        f"{engine.collective_timeout}, after which processes give each other up"
    )


@dataclass(frozen=True, config=STRICT)
class CheckpointConfig:
    """When the run saves, what it keeps, and whether it goes on from what it finds."""

    every_steps: Positive = 500
    keep_last: Positive = 2
    keep_every: Positive | None = None  # checkpoints of multiples of it are kept for good
    async_save: bool = False  # the run waits for a copy in memory only, not for the disk
    resume: Literal["auto", "never"] = "auto"


@dataclass(frozen=True, config=STRICT)
class LogConfig:
    """How often the run speaks."""

    every_steps: Positive = 10
