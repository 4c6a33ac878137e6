"""Where the host waits for the GPU between two reports of the real training loop."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.figure import Figure, Setting, at_most
from benchmarks.gpu.pretrain_run import load, recordings, train_here, words
from benchmarks.gpu.subprocess_call import run_apart
from pretrain.data import PretrainBatch
from pretrain.loop import PretrainRun, train
from tests.launch.training.waits import counted_waits

STEPS, FIRST = 9, 3  # the first steps copy constants, which stay on the device
SYNCHRONIZING = "called a synchronizing CUDA operation"  # the words of PyTorch's warning
CASES = ((0, "fp32"), (1, "bf16"), (2, "bf16"))  # ZeRO stage and precision


def count_waits(setting: Setting) -> Iterator[Figure]:
    recordings(setting)
    cases = [partial(_waits, setting, stage, precision) for stage, precision in CASES]
    for (stage, precision), places in zip(CASES, run_apart(setting, cases), strict=True):
        most = max(step.total() for step in places)
        name = f"ZeRO {stage} in {precision}: most waits in a step"
        yield Figure(name, most, at_most(0))
        for place, count in sum(places, Counter[str]()).most_common(3):
            yield Figure(f"  of {len(places)} steps, waits in {place}", count)


def _waits(setting: Setting, stage: int, precision: str) -> list[Counter[str]]:
    """The places where each step waited, outside of reports."""
    name = f"{stage}-{precision}"
    config = load(
        words(
            setting,
            name,
            "tiny",
            4,
            f"schedule={{steps: {STEPS}, epochs: null}}",
            "data.workers=1",  # what this process reads itself would count
            "log={every_steps: 4, images_every_steps: 100000, feature_clips: 2}",
            f"engine={{zero_stage: {stage}, precision: {precision}, clip_grad_norm: 0.1, "
            "compile: false}",
        )
    )
    steps: list[Counter[str]] = []

    def watched(run: PretrainRun) -> None:
        with counted_places(setting.device) as places:
            train(_watched(run, places, steps))

    train_here(config, watched)
    return steps[FIRST:]


def _watched(
    run: PretrainRun, places: Callable[[], Counter[str]], steps: list[Counter[str]]
) -> PretrainRun:
    """Adds the places of each step to `steps` when the next batch is taken."""
    step, start = Counter[str](), places()

    def report(*arguments: Any) -> None:
        nonlocal start
        step.update(places() - start)
        reported(*arguments)
        start = places()

    def batches() -> Iterator[PretrainBatch]:
        nonlocal start
        for batch in run.batches:
            step.update(places() - start)
            start = places()
            steps.append(step.copy())
            step.clear()
            yield batch

    reported = run.reporter.report
    setattr(run.reporter, "report", report)  # noqa: B010  # for this run alone
    return run._replace(batches=batches())


@contextmanager
def counted_places(device: torch.device) -> Iterator[Callable[[], Counter[str]]]:
    """The places of the code that have waited so far; on a CPU, the operations that would."""
    if device.type != "cuda":
        with counted_waits() as seen:
            yield seen.copy
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield lambda: Counter(
                _place(each) for each in caught if SYNCHRONIZING in str(each.message)
            )
        finally:
            torch.cuda.set_sync_debug_mode("default")


def _place(warning: warnings.WarningMessage) -> str:
    return f"{'/'.join(Path(warning.filename).parts[-3:])}:{warning.lineno}"
