"""Learning rate and weight decay as functions of the step."""

import math
from collections.abc import Callable

from launch.config import ScheduleConfig
from launch.training.optimizer import OptimizerConfig

REFERENCE_CLIPS = 256  # the batch that `base_lr` is given for


def total_steps(config: ScheduleConfig, steps_per_epoch: float) -> int:
    """Steps of the whole run. An epoch need not be a whole number of steps."""
    if config.steps is not None:
        return config.steps
    return max(1, round((config.epochs or 1.0) * steps_per_epoch))


def warmup_cosine(step: int, peak: float, final: float, warmup_steps: int, steps: int) -> float:
    """Linear from 0 to `peak`, then half a cosine towards `final`, which is not quite reached.

    VideoMAE's schedule: the first step has rate 0, the last warm-up step and the one after it have
    `peak`.
    """
    if step < warmup_steps:
        return peak * step / max(warmup_steps - 1, 1)
    progress = (step - warmup_steps) / max(steps - warmup_steps, 1)
    return final + 0.5 * (peak - final) * (1 + math.cos(math.pi * min(progress, 1.0)))


def peak_learning_rate(config: OptimizerConfig, clips: int) -> float:
    """Linear scaling (Goyal et al., 2017) with the clips of a step, all processes together."""
    return config.base_lr * clips / REFERENCE_CLIPS


def build_schedules(
    optimizer: OptimizerConfig, schedule: ScheduleConfig, clips: int, steps: int
) -> tuple[Callable[[int], float], Callable[[int], float]]:
    """Learning rate and weight decay of a step, counted from 0."""
    warmup_steps = round(schedule.warmup * steps)
    peak = peak_learning_rate(optimizer, clips)
    final = optimizer.min_lr * clips / REFERENCE_CLIPS
    decay_end = optimizer.weight_decay_end

    def learning_rate(step: int) -> float:
        return warmup_cosine(step, peak, final, warmup_steps, steps)

    def weight_decay(step: int) -> float:
        if decay_end is None:
            return optimizer.weight_decay
        return warmup_cosine(step, optimizer.weight_decay, decay_end, 0, steps)

    return learning_rate, weight_decay
