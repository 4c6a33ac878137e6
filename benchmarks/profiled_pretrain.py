"""`python -m benchmarks.profiled_pretrain STEPS ARGUMENTS` runs `python -m pretrain ARGUMENTS` for
STEPS steps on random clips in memory and prints the time of each part of each step, as JSON lines.

The time of a call inside another timed call belongs to the outer one; calls in WITHIN are also
listed by themselves.
"""

import functools
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
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
from pretrain.loss import Objective, TokenErrors
from pretrain.monitoring.monitor import TrainingMonitor
from pretrain.reporter import PretrainReporter
from pretrain.targets.built import BuiltTarget

TIMED: list[tuple[Any, str, str]] = [
    (Engine, "forward", "forward"),
    (BuiltTarget, "compute", "target, loss"),
    (Objective, "token_errors", "target, loss"),
    (TokenErrors, "loss", "target, loss"),
    (Engine, "backward", "backward"),
    (Engine, "step", "optimizer"),
    (torch, "manual_seed", "seed"),
    (Watchdog, "set_status", "monitor"),
    (StepMeter, "add", "meter"),
    (StepMeter, "end_step", "meter"),
    (RunLogger, "update_progress", "progress"),
    (GracefulStop, "poll", "stopping, saving"),
    (PretrainReporter, "report", "report"),
    (TrainingMonitor, "after_step", "looks"),
]
WITHIN: list[tuple[Any, str, str]] = [
    (StepMeter, "close_interval", "report: interval"),
    (PretrainReporter, "_loss_parts", "report: loss parts"),
    (RunLogger, "optimizer_metrics", "report: optimizer"),
    (RunLogger, "log_step", "report: writing"),
]


class StepTimer:
    """Sums the seconds of a step by part."""

    def __init__(self, steps: int) -> None:
        self._steps, self._done, self._is_timing = steps, 0, False
        self._seconds: dict[str, float] = defaultdict(float)
        self._began = time.perf_counter()

    def timed(
        self, function: Callable[..., Any], part: str, within: bool = False
    ) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*arguments: Any, **named: Any) -> Any:
            if self._is_timing and not within:
                return function(*arguments, **named)
            before, self._is_timing, began = self._is_timing, True, time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self._seconds[part] += time.perf_counter() - began
                self._is_timing = before

        return inner

    def end_step(self) -> None:
        now = time.perf_counter()
        print(json.dumps({"whole": now - self._began, **self._seconds}), flush=True)
        self._seconds.clear()
        self._done += 1
        if self._done == self._steps:
            os._exit(0)
        self._began = time.perf_counter()  # the time for printing is not counted


def random_batches(config: PretrainConfig) -> Iterator[PretrainBatch]:
    """Yields the same batch again and again."""
    encoder, clips = config.encoder, config.batch.micro_batch_size
    masks = config.masking.draw(encoder.grid, [np.random.default_rng(i) for i in range(clips)])
    shape = (clips, encoder.num_frames, *encoder.image_size, encoder.channels)
    clip = torch.randint(0, 256, shape, dtype=torch.uint8)
    visible, decoded = (torch.from_numpy(index) for index in masks)
    reads = clips // config.data.clips_per_read
    while True:
        yield PretrainBatch(clip, visible, decoded, ("random",) * reads, ())


def main() -> None:
    timer = StepTimer(int(sys.argv[1]))
    for owner, name, part in TIMED:
        setattr(owner, name, timer.timed(getattr(owner, name), part))
    for owner, name, part in WITHIN:
        setattr(owner, name, timer.timed(getattr(owner, name), part, within=True))
    ends = timer.timed(GracefulStop.end_step, "stopping, saving")

    def end_step(*arguments: Any) -> None:
        ends(*arguments)
        timer.end_step()

    def timed_train(run: PretrainRun) -> None:
        batches = random_batches(run.config)
        waits = timer.timed(lambda: next(batches), "data")
        train(run._replace(batches=iter(waits, None)))

    GracefulStop.end_step = end_step  # type: ignore[assignment, method-assign]
    pretrain.run.train = timed_train
    exit_process(run_program("pretrain", lambda: command(sys.argv[2:])))


if __name__ == "__main__":
    main()
