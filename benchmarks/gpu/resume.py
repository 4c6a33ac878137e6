"""A run that is stopped at half and resumed, beside one that was not."""

import itertools
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import torch

from benchmarks.gpu.figure import Figure, Setting, at_most
from benchmarks.gpu.pretrain_run import load, losses, recordings, train_here, words
from benchmarks.gpu.subprocess_call import run_apart
from pretrain.data import PretrainBatch
from pretrain.loop import PretrainRun, train

STEPS, HALF = 10, 5
EXACT, CLOSE = 0.0, 1e-4  # with deterministic algorithms, and without


def compare_resumed(setting: Setting) -> Iterator[Figure]:
    recordings(setting)
    names = ("exact",) if setting.is_dry else ("exact", "usual")  # the same on a CPU
    first = [partial(_train, setting, name, half) for name in names for half in (False, True)]
    run_apart(setting, first)
    run_apart(setting, [partial(_train, setting, name, True) for name in names])
    for name, limit in zip(names, (EXACT, CLOSE), strict=False):
        whole, resumed = (losses(setting.folder / f"{name}-{end}") for end in ("whole", "resumed"))
        pairs = zip(whole[HALF:], resumed[HALF:], strict=True)
        error = max(abs(a / b - 1) for a, b in pairs)
        kind = "deterministic algorithms" if name == "exact" else "the usual algorithms"
        yield Figure(f"losses of steps {HALF + 1} to {STEPS}, with {kind}", error, at_most(limit))


def _train(setting: Setting, name: str, is_resumed: bool) -> None:
    """Trains to the end; at its first start, a run that is to be resumed ends at half."""
    if name == "exact":
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # read at the first product
        torch.use_deterministic_algorithms(True)  # with warn_only attention is not
    run = f"{name}-{'resumed' if is_resumed else 'whole'}"
    schedule = f"schedule={{steps: {STEPS}, epochs: null}}"
    every_step = "log={every_steps: 1, images_every_steps: 100000, feature_clips: 2}"
    saved = f"checkpoint.every_steps={HALF}"
    config = load(words(setting, run, "tiny", 8, schedule, every_step, saved))
    is_first = not (setting.folder / run).exists()
    with suppress(Halted):
        train_here(config, _half if is_resumed and is_first else train)


def _half(run: PretrainRun) -> None:
    def batches() -> Iterator[PretrainBatch]:
        yield from itertools.islice(run.batches, HALF)
        raise Halted

    train(run._replace(batches=batches()))


class Halted(RuntimeError):
    """The run ends as after an error."""

    on_every_process = True
