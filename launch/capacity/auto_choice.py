"""What `auto` becomes in micro-batch, ZeRO stage and activation checkpointing: the rule alone.

A run applies it to the memory that is free, a plan to that of a card.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from launch.capacity.zero_memory import FREE
from launch.config import EngineConfig

FEW = 8  # clips of a forward pass, below which a device is slower
MANY = 64  # above which more clips hardly make a GPU faster
GPU_STAGES, CPU_STAGE = (1, 2, 3), 2  # of ZeRO, by falling speed; on a CPU memory counts
# Share of a GPU's memory that a choice leaves free, since the estimate was never measured on one.
GPU_MARGIN = 0.15


class AutoChoice(NamedTuple):
    """Values in place of `auto`."""

    micro_batch: int
    stage: int
    recompute: bool


def choose(
    engine: EngineConfig,
    sizes: Sequence[int],
    on_gpu: bool,
    fitting: Callable[[bool, Sequence[int]], Mapping[int, int]],
) -> AutoChoice:
    """Micro-batch, of `sizes`, ZeRO stage and whether activations are recomputed.

    `fitting(recompute, stages)` has the first of `sizes` that fits, by stage, or 0. Activations are
    recomputed only where few clips fit otherwise. The lowest stage communicates least, so it is
    taken if it leaves room for many clips.
    """
    many, few = min(MANY, max(sizes)), min(FEW, max(sizes))
    asked, stages = engine.activation_checkpointing, _stages(engine, on_gpu)
    recomputes = [False, True] if asked == "auto" else [asked]
    for recompute in recomputes:
        fits = fitting(recompute, stages)
        best = max(fits.values())
        stage = next(each for each in stages if fits[each] >= min(many, best))
        if best >= few or recompute is recomputes[-1]:
            break
    return AutoChoice(fits[stage] or min(sizes), stage, recompute)


def micro_batches(
    given: int | Literal["auto"], share: int, multiple: int, on_gpu: bool, before: int | None = None
) -> list[int]:
    """The sizes to choose from, the best first: the given one, or those that divide a step.

    `share` are the clips of a step on one process, a multiple of `multiple`. `before` is that of
    the run's last start.
    """
    if given != "auto":
        return [given]
    sizes = [multiple * size for size in divisors(share // multiple)]
    if not on_gpu:  # more only takes memory
        sizes = [size for size in sizes if size <= FEW] or sizes[-1:]
    return sorted(sizes, key=lambda size: size != before)


def usable_share(on_gpu: bool) -> float:
    """Of the memory that is free, how much a choice may use."""
    return 1 - (GPU_MARGIN if on_gpu else FREE)


def without_stage0(engine: EngineConfig, on_gpu: bool) -> EngineConfig:
    """On a GPU, stage 0 with precision `auto` is stage 1: DeepSpeed's bf16 needs it."""
    if on_gpu and engine.zero_stage == 0 and engine.precision == "auto":
        return replace(engine, zero_stage=1)
    return engine


def divisors(number: int) -> list[int]:
    """All of them, descending."""
    small = [size for size in range(1, math.isqrt(number) + 1) if number % size == 0]
    return sorted({*small, *(number // size for size in small)}, reverse=True)


def _stages(engine: EngineConfig, on_gpu: bool) -> tuple[int, ...]:
    if engine.zero_stage != "auto":
        return (engine.zero_stage,)
    return GPU_STAGES if on_gpu else (CPU_STAGE,)
