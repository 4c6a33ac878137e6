"""Settings that every training run has, whatever it trains."""

from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

# Unknown keys and infinite numbers are refused, former names are read, and a string below a field
# is its help text.
STRICT = ConfigDict(
    extra="forbid",
    populate_by_name=True,
    loc_by_alias=False,
    use_attribute_docstrings=True,
    allow_inf_nan=False,
)
Positive = Annotated[int, Field(gt=0, le=10**12)]
Share = Annotated[float, Field(ge=0, lt=1)]


@plain_dataclass(frozen=True)
class MayChange:
    """Marks a key that may differ when a run resumes: data and arithmetic stay the same."""


@plain_dataclass(frozen=True)
class FormerValues:
    """Marks a key whose values had other names; `launch.former_keys` translates them."""

    names: dict[str, Any] = field(hash=False)


MAY_CHANGE = MayChange()


def former(*names: str) -> Any:
    """Marks a key that had other names, which recipes and files may still use."""
    return Field(validation_alias=AliasChoices(*names))


@dataclass(frozen=True, config=STRICT)
class BatchConfig:
    """The clips of one optimizer step. The number of processes is not part of a recipe."""

    global_batch_size: Annotated[Positive, former("clips")] = 256
    """Clips per optimizer step, over all processes."""
    micro_batch_size: Annotated[Positive | Literal["auto"], former("micro_batch"), MAY_CHANGE] = 8
    """Clips per forward pass on one process; gradients are accumulated over the rest. auto: the
    largest number that fits in memory, on a CPU at most 8."""

    @property
    def micro_batch(self) -> int:
        """`micro_batch_size` once `auto` has its value."""
        assert self.micro_batch_size != "auto"
        return self.micro_batch_size


@dataclass(frozen=True, config=STRICT)
class EngineConfig:
    """DeepSpeed, precision, memory and failure detection."""

    zero_stage: Annotated[Annotated[int, Field(ge=0, le=3)] | Literal["auto"], MAY_CHANGE] = 2
    """DeepSpeed ZeRO stage: 1 shards optimizer states, 2 gradients too, 3 weights too. auto: 2 on a
    CPU; on GPUs the lowest from 1 on that leaves room for a large micro-batch."""
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    """auto: bf16 on a GPU, fp32 on a CPU. fp16 (with loss scaling) is for GPUs without bf16."""
    clip_grad_norm: Annotated[float, Field(gt=0)] | None = None
    """Largest norm of the gradient; null: no clipping."""
    offload_optimizer: Annotated[bool, MAY_CHANGE] = False
    """Keep optimizer states in main memory; compiles DeepSpeed's CPU Adam."""
    activation_checkpointing: Annotated[bool | Literal["auto"], former("recompute"), MAY_CHANGE] = (
        False
    )
    """Recompute the activations of every block; auto: only if they would not fit in memory."""
    memory_check: Annotated[bool, MAY_CHANGE] = True
    """Refuse a run whose estimated memory exceeds what is free on the GPU or the machine."""
    compile: Annotated[bool | Literal["auto"], MAY_CHANGE] = "auto"
    """Compile blocks and the loss with torch.compile; auto: on a GPU, below ZeRO stage 3."""
    collective_timeout: Annotated[Positive, former("timeout_seconds"), MAY_CHANGE] = 1800
    """Seconds that a process waits for the others in a collective operation."""
    hang_timeout: Annotated[Positive, former("stall_seconds"), MAY_CHANGE] = 300
    """Seconds without progress after which every rank's stack is printed."""
    heartbeat_timeout: Annotated[Positive, former("lost_seconds"), MAY_CHANGE] = 60
    """Seconds without a heartbeat after which a process counts as lost and the run ends."""
    max_nonfinite_steps: Annotated[int, Field(ge=0), former("max_skipped"), MAY_CHANGE] = 10
    """Steps with a non-finite gradient that are skipped before the run ends."""

    @property
    def stage(self) -> int:
        """`zero_stage` once `auto` has its value."""
        assert self.zero_stage != "auto"
        return self.zero_stage

    @model_validator(mode="after")
    def _known_to_work(self) -> "EngineConfig":
        if self.zero_stage == 0 and self.precision in ("bf16", "fp16"):
            raise ValueError(
                f"zero_stage 0 with precision {self.precision} trains wrongly in DeepSpeed; take "
                "zero_stage 1"
            )
        if self.zero_stage == 0 and self.offload_optimizer:
            raise ValueError("zero_stage 0 has no offload_optimizer; take zero_stage 1 or above")
        if self.zero_stage == 3 and self.compile is True:
            raise ValueError(
                "zero_stage 3 gathers weights where a compiled block cannot; take compile false or "
                "zero_stage 2"
            )
        return self


def read_timeout_problem(read_timeout: float, engine: EngineConfig) -> str:
    """The error where a read may outlast the processes' wait for each other, else ""."""
    if read_timeout < engine.collective_timeout:
        return ""
    return (
        f"data.read_timeout {read_timeout:g} is not below engine.collective_timeout "
        f"{engine.collective_timeout}; a slow read would end the run"
    )


@dataclass(frozen=True, config=STRICT)
class CheckpointConfig:
    """When checkpoints are saved, which are kept, and whether a run resumes from them."""

    every_steps: Positive = 500
    """Steps between two checkpoints."""
    keep_last: Positive = 2
    """Newest checkpoints that are kept."""
    keep_every: Positive | None = None
    """Checkpoints at multiples of this step are kept for good."""
    async_save: Annotated[bool | Literal["auto"], former("asynchronous")] = "auto"
    """Write to disk in the background; training waits only for a copy in memory. auto: on GPUs."""
    resume: Literal["auto", "never"] = "auto"
    """auto: resume from the newest valid checkpoint; never: refuse a folder that has one."""
