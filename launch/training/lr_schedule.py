"""Learning rate and weight decay as functions of the step."""

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from launch.config import MAY_CHANGE, STRICT, Positive, Share
from launch.errors import ConfigError
from launch.training.optimizer import OptimizerConfig

REFERENCE_CLIPS = 256  # clips per step that `base_lr` and `min_lr` are given for

Steps = Annotated[Positive | None, Field(description="Optimizer steps."), MAY_CHANGE]
Epochs = Annotated[
    Annotated[float, Field(gt=0, le=10**9)] | None,
    Field(description="Passes over the data; 1 where `steps` is not given either."),
    MAY_CHANGE,
]
Warmup = Annotated[
    Share,
    Field(description="Share of all steps in which the learning rate rises linearly from 0."),
]


@runtime_checkable
class ScheduleConfig(Protocol):
    """A row of LR_SCHEDULES: the length of a run and the course of its learning rate."""

    @property
    def kind(self) -> str: ...
    @property
    def steps(self) -> int | None: ...
    @property
    def epochs(self) -> float | None: ...
    @property
    def warmup(self) -> float: ...

    def rate(self, step: int, peak: float, final: float, steps: int) -> float:
        """The learning rate of a step of 0..`steps` - 1, from its peak and final value."""


def require_one_length(config: Any) -> Any:
    """A validator: refuses `steps` and `epochs` together."""
    if config.steps and config.epochs:
        raise ValueError(
            f"steps {config.steps} and epochs {config.epochs:g} are both given; set "
            "steps=null or epochs=null"
        )
    return config


@dataclass(frozen=True, config=STRICT)
class CosineSchedule:
    """Linear warm-up, then half a cosine to optimizer.min_lr (Loshchilov and Hutter, 2017)."""

    kind: Literal["cosine"] = "cosine"
    """Course of the learning rate."""
    steps: Steps = None
    epochs: Epochs = None
    warmup: Warmup = 0.05

    _one_length = model_validator(mode="after")(require_one_length)

    def rate(self, step: int, peak: float, final: float, steps: int) -> float:
        return warmup_cosine(step, peak, final, round(self.warmup * steps), steps)


@dataclass(frozen=True, config=STRICT)
class WSDSchedule:
    """Warm-up, stable, decay (Hu et al., 2024, MiniCPM): constant until the last steps.

    A checkpoint of the stable phase may be trained on with more steps: its learning rate does not
    depend on the length of the run.
    """

    kind: Literal["wsd"] = "wsd"
    """Course of the learning rate."""
    steps: Steps = None
    epochs: Epochs = None
    warmup: Warmup = 0.05
    decay: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Share of all steps in which the learning rate falls to optimizer.min_lr."""
    decay_type: Literal["1-sqrt", "linear", "cosine"] = "1-sqrt"
    """Form of the decay; 1-sqrt is that of Haegele et al. (2024)."""

    _one_length = model_validator(mode="after")(require_one_length)

    @model_validator(mode="after")
    def _phases_fit(self) -> "WSDSchedule":
        if self.warmup + self.decay > 1:
            raise ValueError(
                f"warmup {self.warmup:g} and decay {self.decay:g} are more than all steps; lower "
                "one of them"
            )
        return self

    def rate(self, step: int, peak: float, final: float, steps: int) -> float:
        warmup_steps = round(self.warmup * steps)
        if step < warmup_steps:
            return linear_warmup(step, peak, warmup_steps)
        decay_steps = min(max(1, round(self.decay * steps)), steps - warmup_steps)
        progress = (step - (steps - decay_steps)) / decay_steps
        return peak + (final - peak) * _decayed(self.decay_type, min(max(progress, 0.0), 1.0))


@dataclass(frozen=True, config=STRICT)
class ConstantSchedule:
    """Linear warm-up, then constant; optimizer.min_lr has no effect."""

    kind: Literal["constant"] = "constant"
    """Course of the learning rate."""
    steps: Steps = None
    epochs: Epochs = None
    warmup: Warmup = 0.05

    _one_length = model_validator(mode="after")(require_one_length)

    def rate(self, step: int, peak: float, final: float, steps: int) -> float:
        warmup_steps = round(self.warmup * steps)
        return linear_warmup(step, peak, warmup_steps) if step < warmup_steps else peak


LR_SCHEDULES: dict[str, type] = {
    "cosine": CosineSchedule,
    "wsd": WSDSchedule,
    "constant": ConstantSchedule,
}


def linear_warmup(step: int, peak: float, warmup_steps: int) -> float:
    """From 0 in the first step to `peak` in the last step of the warm-up."""
    return peak * step / max(warmup_steps - 1, 1)


def warmup_cosine(step: int, peak: float, final: float, warmup_steps: int, steps: int) -> float:
    """Linear from 0 to `peak`, then half a cosine towards `final`, which is not quite reached.

    VideoMAE's schedule: the last warm-up step and the one after it have `peak`.
    """
    if step < warmup_steps:
        return linear_warmup(step, peak, warmup_steps)
    progress = (step - warmup_steps) / max(steps - warmup_steps, 1)
    return final + 0.5 * (peak - final) * (1 + math.cos(math.pi * min(progress, 1.0)))


def _decayed(decay_type: str, progress: float) -> float:
    """The share of the decay that is done: 0 at progress 0, 1 at progress 1."""
    if decay_type == "linear":
        return progress
    return math.sqrt(progress) if decay_type == "1-sqrt" else (1 - math.cos(math.pi * progress)) / 2


def total_steps(config: ScheduleConfig, steps_per_epoch: float) -> int:
    """Steps of the whole run. An epoch may be a fraction of a step."""
    if config.steps is not None:
        return config.steps
    return max(1, round((config.epochs or 1.0) * steps_per_epoch))


def remaining_steps(config: ScheduleConfig, done: int, last: int) -> range:
    """The steps from `done` to `last`. Raises ConfigError if the run has done more than `last`."""
    if done <= last:
        return range(done, last)
    given = f"schedule.steps: {last} is"
    if config.steps is None:
        given = f"schedule.epochs: {config.epochs or 1:g} are {last} steps, which is"
    raise ConfigError(
        f"{given} less than the {done} steps that the run has done; give schedule.steps={done} or "
        "more, or another run=FOLDER"
    )


def peak_learning_rate(config: OptimizerConfig, clips: int) -> float:
    """Linear scaling (Goyal et al., 2017) with the clips of a step over all processes."""
    return config.base_lr * clips / REFERENCE_CLIPS


def build_schedules(
    optimizer: OptimizerConfig, schedule: ScheduleConfig, clips: int, steps: int
) -> tuple[Callable[[int], float], Callable[[int], float]]:
    """Learning rate and weight decay as functions of the step, counted from 0."""
    peak = peak_learning_rate(optimizer, clips)
    final = optimizer.min_lr * clips / REFERENCE_CLIPS
    decay_end = optimizer.weight_decay_end

    def learning_rate(step: int) -> float:
        return schedule.rate(step, peak, final, steps)

    def weight_decay(step: int) -> float:
        if decay_end is None:
            return optimizer.weight_decay
        return warmup_cosine(step, optimizer.weight_decay, decay_end, 0, steps)

    return learning_rate, weight_decay
