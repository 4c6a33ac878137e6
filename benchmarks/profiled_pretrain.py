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
from collections.abc import Callable, Iterator
from typing import Any

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
from pretrain.data import PretrainBatch
from pretrain.loop import PretrainRun, train
from pretrain.loss_parts import LossParts
from pretrain.monitoring.monitor import TrainingMonitor
from pretrain.reporter import PretrainReporter

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


def random_batches(run: PretrainRun) -> Iterator[PretrainBatch]:
    """The first micro-batch of a run again and again, with random pixels."""
    first = next(run.batches)
    batch = first._replace(clip=torch.randint_like(first.clip, 256))
    while True:
        yield batch


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
        batches = random_batches(run)
        next_batch = profiler.timed(lambda: next(batches), "data")
        train(run._replace(batches=iter(next_batch, None)))

    GracefulStop.end_step = end_step  # type: ignore[assignment, method-assign]
    pretrain.run.train = profiled_train
    exit_process(run_program("pretrain", lambda: command(sys.argv[2:])))


if __name__ == "__main__":
    main()
