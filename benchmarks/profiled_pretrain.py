"""`python -m benchmarks.profiled_pretrain STEPS ARGUMENTS`: profiles the steps of a run.

Runs `python -m pretrain ARGUMENTS` on random clips in memory, prints the seconds of each part of a
step as one line of JSON, and exits after STEPS steps. A call inside another timed call counts for
the outer one; the calls in NESTED are reported in addition.
"""

import functools
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import pretrain.loop
import pretrain.run
from launch.distributed.watchdog import Watchdog
from launch.entrypoint import exit_process, run_program
from launch.metrics.run_logger import RunLogger
from launch.metrics.step_meter import StepMeter
from launch.run.graceful_stop import GracefulStop
from launch.training.engine import Engine
from pretrain.cli import main as command
from pretrain.config import PretrainConfig
from pretrain.data import PretrainBatch
from pretrain.loop import PretrainRun, train
from pretrain.loss_parts import LossParts
from pretrain.monitoring.monitor import TrainingMonitor
from pretrain.reporter import PretrainReporter
from pretrain.source_changes import MANIFEST_FILE
from video.manifest import read_manifest

RANDOM_CLIPS = 16  # repeated in a larger micro-batch: random numbers take seconds
TIMED: list[tuple[Any, str, str]] = [
    (Engine, "forward", "forward"),
    (pretrain.run, "batch_loss", "target, loss"),
    (LossParts, "add", "loss parts"),
    (Engine, "backward", "backward"),
    (Engine, "step", "optimizer"),
    (torch, "manual_seed", "seed"),
    (Watchdog, "set_status", "watchdog"),
    (StepMeter, "add", "meter"),
    (StepMeter, "end_step", "meter"),
    (RunLogger, "update_progress", "progress"),
    (GracefulStop, "poll", "stop signal, saving"),
    (PretrainReporter, "report", "report"),
    (TrainingMonitor, "after_step", "monitoring"),
]
NESTED: list[tuple[Any, str, str]] = [
    (StepMeter, "close_interval", "report: interval"),
    (LossParts, "close_interval", "report: loss parts"),
    (RunLogger, "optimizer_metrics", "report: optimizer"),
    (RunLogger, "log_step", "report: writing"),
]


class StepProfiler:
    """Sums the seconds of each part of a step."""

    def __init__(self, steps: int) -> None:
        self._steps, self._done, self._is_timing = steps, 0, False
        self._seconds: dict[str, float] = defaultdict(float)
        self._start = time.perf_counter()

    def timed(
        self, function: Callable[..., Any], part: str, nested: bool = False
    ) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            if self._is_timing and not nested:
                return function(*arguments, **named)
            outer, self._is_timing, start = self._is_timing, True, time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self._seconds[part] += time.perf_counter() - start
                self._is_timing = outer

        return wrapper

    def end_step(self) -> None:
        now = time.perf_counter()
        print(json.dumps({"total": now - self._start, **self._seconds}), flush=True)
        self._seconds.clear()
        self._done += 1
        if self._done == self._steps:
            os._exit(0)
        self._start = time.perf_counter()  # the profiler's own time is not counted


def random_batch(config: PretrainConfig) -> PretrainBatch:
    """A micro-batch of random pixels, as if read from the first recording of the run."""
    encoder, clips = config.encoder, config.batch.micro_batch
    masks = config.masking.draw(encoder.grid, [np.random.default_rng(i) for i in range(clips)])
    shape = (min(clips, RANDOM_CLIPS), encoder.num_frames, *encoder.image_size, encoder.channels)
    clip = torch.randint(0, 256, shape, dtype=torch.uint8)
    repeated = clip.repeat(-(-clips // len(clip)), 1, 1, 1, 1)[:clips]
    visible, decoded = (torch.from_numpy(index) for index in masks)
    path = read_manifest(Path(config.run) / MANIFEST_FILE)[0].path
    reads = clips // config.data.clips_per_read
    return PretrainBatch(repeated, visible, decoded, (path,) * reads, ())


def main() -> None:
    profiler = StepProfiler(int(sys.argv[1]))
    for owner, name, part in TIMED:
        setattr(owner, name, profiler.timed(getattr(owner, name), part))
    for owner, name, part in NESTED:
        setattr(owner, name, profiler.timed(getattr(owner, name), part, nested=True))
    end = profiler.timed(GracefulStop.end_step, "stop signal, saving")

    def end_step(*arguments: Any) -> None:
        end(*arguments)
        profiler.end_step()

    def profiled_train(run: PretrainRun) -> None:
        batch = random_batch(run.config)
        next_batch = profiler.timed(lambda: batch, "data")
        train(run._replace(batches=iter(next_batch, None)))

    GracefulStop.end_step = end_step  # type: ignore[assignment, method-assign]
    pretrain.run.train = profiled_train
    exit_process(run_program("pretrain", lambda: command(sys.argv[2:])))


if __name__ == "__main__":
    main()
