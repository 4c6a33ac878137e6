"""Clips per second of a training step, beside a bare loop and the common recipe."""

from collections.abc import Iterator
from statistics import median
from typing import NamedTuple

import torch

from benchmarks.competitors import COMPETITORS, Task
from benchmarks.gpu.figure import Figure, Setting, at_least, at_most
from benchmarks.gpu.pretrain_run import TINY
from benchmarks.gpu.subprocess_call import start_context
from benchmarks.train_step import GPU_PRODUCT, PeakProduct, time_interleaved
from launch.capacity.cards import find_card

OURS, EAGER = "ours-deepspeed-compiled", "ours-deepspeed"
BARE, BARE_COMPILED, RECIPE = "ours", "ours-compiled", "baseline"
ALL = (BARE, BARE_COMPILED, EAGER, OURS, RECIPE)
OVERHEAD, COMPILED, SPEED_UP = 0.95, 1.15, 1.5
MEMORY = 0.5  # of the common recipe's
ROUNDS, STEPS = 2, 10


class Speed(NamedTuple):
    """Medians of a competitor."""

    seconds: float  # per step
    clips: float  # per second
    flops: float  # per second, of what the objective needs
    peak: float  # operations/s of a large product, meanwhile
    gib: float


def measure_base(setting: Setting) -> Iterator[Figure]:
    yield from _steps(setting, "base", 128, ALL, 0.55)


def measure_more_clips(setting: Setting) -> Iterator[Figure]:
    yield from _steps(setting, "base", 256, (OURS,), 0.55)


def measure_large(setting: Setting) -> Iterator[Figure]:
    yield from _steps(setting, "large", 128, (OURS,), 0.6)


def measure_giant(setting: Setting) -> Iterator[Figure]:
    yield from _steps(setting, "giant", 64, (OURS,), 0.65)


def _steps(
    setting: Setting, size: str, clips: int, names: tuple[str, ...], share: float
) -> Iterator[Figure]:
    """`share`: of the measured product, the least that this project must reach."""
    task = Task(size, "bf16", clips, setting.device)
    rounds, steps, warm_up, product = ROUNDS, STEPS, 1, GPU_PRODUCT
    if setting.is_dry:
        task, rounds, steps, warm_up = task._replace(size="tiny", clips=2, custom=TINY), 1, 1, 0
        product = PeakProduct(256, 0.01)
    start = start_context(setting)
    timings = time_interleaved(list(names), task, rounds, steps, warm_up, start, product)
    speeds = {
        name: Speed(
            seconds := median(timing.seconds for timing in each),
            task.clips / seconds,
            COMPETITORS[name].flops(task) / seconds,
            median(timing.peak for timing in each),
            each[-1].gib,
        )
        for name, each in timings.items()
    }
    label = f"{task.size}, {task.clips} clips"
    for name, speed in speeds.items():
        what = COMPETITORS[name].label.strip().removeprefix("dual masking: ")
        text = f"{label}: {what}, {1e3 * speed.seconds:.0f} ms, {speed.gib:.1f} GiB"
        yield Figure(text, speed.clips, unit="clips/s")
    if RECIPE in speeds:
        yield from _compared(speeds, label)
    yield from _shares(setting, speeds[OURS], label, share)


def _compared(speeds: dict[str, Speed], label: str) -> Iterator[Figure]:
    def ratio(one: str, other: str) -> float:
        return speeds[one].clips / speeds[other].clips

    rows = (
        ("DeepSpeed against the bare loop", ratio(EAGER, BARE), at_least(OVERHEAD)),
        ("the same, both compiled", ratio(OURS, BARE_COMPILED), at_least(OVERHEAD)),
        ("compiled against uncompiled", ratio(OURS, EAGER), at_least(COMPILED)),
        ("against the common recipe", ratio(OURS, RECIPE), at_least(SPEED_UP)),
        (
            "memory against the common recipe",
            speeds[OURS].gib / speeds[RECIPE].gib,
            at_most(MEMORY),
        ),
    )
    for what, value, limit in rows:
        yield Figure(f"{label}: {what}", value, limit, "x", True)


def _shares(setting: Setting, speed: Speed, label: str, least: float) -> Iterator[Figure]:
    """Of both denominators: a large product on this device, and the data sheet."""
    product = speed.flops / speed.peak
    text = f"{label}: of a large product, {speed.peak / 1e12:.3g} TFLOP/s"
    yield Figure(text, product, at_least(least), "%", True)
    card = None if setting.is_dry else find_card(torch.cuda.get_device_name(setting.device))
    peak = card.peak_flops("bf16") if card else None
    if peak is None:
        reason = "a CPU has none" if setting.is_dry else "this GPU has no row in cards.py"
        yield Figure(f"{label}: of the data sheet's peak", reason)
    else:
        text = f"{label}: of the data sheet, {peak / 1e12:.4g} TFLOP/s"
        yield Figure(text, speed.flops / peak, unit="%")
