"""Metrics of the steps since the last report, over all processes."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from launch.distributed.process_group import all_reduce_sum, gather_objects
from launch.metrics.nonfinite import SkippedStep


class Interval(NamedTuple):
    """Metrics between two reports; counts are over all processes."""

    loss: float  # mean of those that are finite
    reads: int
    failures: tuple[Any, ...]  # unreadable clips
    skipped: tuple[SkippedStep, ...]
    seconds: float
    data_wait: float  # share of the time that rank 0 waited for data


class _Step(NamedTuple):
    number: int
    skipped: Tensor | bool
    micro_batches: slice


class StepMeter:
    """Collects losses without waiting for the device, and reads them at a report."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Drops everything since the last report; the next interval begins now."""
        self._began = time.perf_counter()
        self._waited = 0.0
        self._losses: list[Tensor] = []
        self._recordings: list[tuple[str, ...]] = []
        self._failures: list[Any] = []
        self._steps: list[_Step] = []

    def add(
        self, loss: Tensor, recordings: tuple[str, ...], failures: Sequence[Any], waited: float
    ) -> None:
        """Adds a micro-batch, for which the process waited so many seconds.

        `recordings` has that of each read, `failures` the clips that were unreadable and replaced.
        """
        self._losses.append(loss.detach())
        self._recordings.append(recordings)
        self._failures += failures
        self._waited += waited

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The time of the body counts in no interval."""
        paused_at = time.perf_counter()
        yield
        self._began += time.perf_counter() - paused_at

    def end_step(self, step: int, skipped: Tensor | bool) -> None:
        """Makes the micro-batches since the last call those of a step."""
        first = self._steps[-1].micro_batches.stop if self._steps else 0
        self._steps.append(_Step(step, skipped, slice(first, len(self._losses))))

    def close_interval(self, scales_loss: bool) -> Interval:
        """Metrics since the last call; every process calls it. `scales_loss` is true in fp16."""
        losses = torch.stack(self._losses)
        finite = torch.isfinite(losses)
        reads = sum(map(len, self._recordings))
        sums = torch.stack([torch.where(finite, losses, 0).sum(), finite.sum()]).double()
        counts = torch.cat([sums, sums.new_tensor([reads])])
        total, micro_batches, reads = all_reduce_sum(counts).tolist()
        failures = tuple(failure for part in gather_objects(self._failures) for failure in part)
        skipped = self._skipped(finite, scales_loss)
        seconds = time.perf_counter() - self._began
        waiting = self._waited / seconds
        self.restart()
        mean = total / micro_batches if micro_batches else math.nan
        return Interval(mean, int(reads), failures, skipped, seconds, waiting)

    def _skipped(self, finite: Tensor, scales_loss: bool) -> tuple[SkippedStep, ...]:
        """The steps that updated nothing, with the recordings whose loss was not finite.

        If only the gradient was not finite, all recordings of the step are named.
        """
        skipped = []
        for step in self._steps:
            if not step.skipped:  # the same on every process
                continue
            of_rank = list(
                zip(
                    finite[step.micro_batches].tolist(),
                    self._recordings[step.micro_batches],
                    strict=True,
                )
            )
            parts = [part for each in gather_objects(of_rank) for part in each]
            nonfinite = [names for is_finite, names in parts if not is_finite]
            names = tuple(name for each in nonfinite or [n for _, n in parts] for name in each)
            skipped.append(SkippedStep(step.number, names, scales_loss and not nonfinite))
        return tuple(skipped)


def memory_gib(device: torch.device) -> float:
    """Peak memory so far: of the GPU, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    # getrusage would return the parent's peak if that was higher
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20
