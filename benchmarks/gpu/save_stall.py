"""How long training waits for an asynchronous checkpoint, and steps while it is written."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.gpu.figure import Figure, Setting, at_most
from benchmarks.gpu.pretrain_run import load, pinned_batches, synchronize, train_here, words
from benchmarks.gpu.step_clock import StepClock
from pretrain.data import PretrainBatch
from pretrain.loop import PretrainRun, train

BUS = 25e9  # bytes per second
GRACE = 0.05  # seconds
SLOWER = 1.05


@dataclass
class Measured:
    """What a run has shown of its checkpoints."""

    clock: StepClock
    stalls: list[float] = field(default_factory=list)  # seconds of each save
    was_writing: list[bool] = field(default_factory=list)  # at the begin of each step
    bytes: int = 0


def measure_stall(setting: Setting) -> Iterator[Figure]:
    size, clips, every, steps = ("tiny", 2, 6, 22) if setting.is_dry else ("base", 128, 60, 200)
    config = load(
        words(
            setting,
            "run",
            size,
            clips,
            f"schedule={{steps: {steps}, epochs: null}}",
            f"checkpoint={{every_steps: {every}, keep_last: 1, async_save: true}}",
            "log={every_steps: 100000, images_every_steps: 100000, feature_clips: 2}",
            "engine={zero_stage: 2, precision: bf16, compile: false}",
        )
    )
    measured = Measured(StepClock(setting.device))
    train_here(config, lambda run: train(_measured(run, setting, measured)))
    label = f"{measured.bytes / 1e9:.2f} GB"
    first, *later = measured.stalls[: (steps - 1) // every]
    yield Figure(f"{label}: the first save, which allocates", first, unit="s")
    allowed = 2 * measured.bytes / BUS + GRACE
    yield Figure(f"{label}: a later save", max(later), at_most(allowed), "s", True)
    seconds = measured.clock.seconds()
    saves = range(every - 1, steps, every)
    plain = [
        (spent, writing)
        for step, (spent, writing) in enumerate(zip(seconds, measured.was_writing, strict=False))
        if step >= every and step not in saves
    ]
    during = [spent for spent, writing in plain if writing]
    quiet = [spent for spent, writing in plain if not writing]
    if during and quiet:
        ratio = median(during) / median(quiet)
        text = f"{len(during)} steps while it is written, of {len(quiet)} others"
        yield Figure(text, ratio, at_most(SLOWER), "x", True)
    else:
        text = f"{len(during)} steps while it was written, {len(quiet)} others: not comparable"
        yield Figure("steps while it is written", text)


def _measured(run: PretrainRun, setting: Setting, measured: Measured) -> PretrainRun:
    saver = run.training.saver
    save = saver.save

    def timed(*arguments: Any) -> None:
        saver.finish()  # a disk that is slower than the run is another matter
        synchronize(setting.device)
        began = time.perf_counter()
        save(*arguments)
        measured.stalls.append(time.perf_counter() - began)

    def batches() -> Iterator[PretrainBatch]:
        for batch in pinned_batches(run):
            measured.clock.mark()
            measured.was_writing.append(saver.is_busy)
            yield batch

    fragments = run.training.engine.fragments()
    measured.bytes = sum(part.nbytes for each in fragments for part in each.tensors.values())
    setattr(saver, "save", timed)  # noqa: B010  # for this run alone
    return run._replace(batches=batches())
