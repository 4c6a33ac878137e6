"""Figures of the steps since the last report, gathered over all processes."""

import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from launch.processes import gather_objects, sum_over_processes
from pretrain.data import PretrainBatch
from video.recording import UnreadableVideo

# Dense bf16 products, from NVIDIA's data sheets.
PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "A40": 150e12}


class NonFiniteLoss(ValueError):
    """The loss is not a number; training cannot go on."""

    exit_status = 2
    on_every_process = True


class Interval(NamedTuple):
    """What was measured between two reports; counts are of all processes."""

    loss: float
    reads: int
    failures: tuple[UnreadableVideo, ...]
    seconds: float
    waiting: float  # share of the first process's time spent waiting for data


class Meter:
    """Collects losses without waiting for the device, and reads them when asked."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._began = time.perf_counter()
        self._waited = 0.0
        self._losses: list[Tensor] = []
        self._clips: list[tuple[int, tuple[str, ...]]] = []
        self._failures: list[UnreadableVideo] = []

    def add(self, step: int, loss: Tensor, batch: PretrainBatch, waited: float) -> None:
        self._losses.append(loss.detach())
        self._clips.append((step, batch.recordings))
        self._failures += batch.failures
        self._waited += waited

    def close_interval(self) -> Interval:
        """Figures since the last call; every process calls it.

        Raises NonFiniteLoss on every process where any of them met such a loss.
        """
        losses = torch.stack(self._losses)
        finite = torch.isfinite(losses)
        bad = None if bool(finite.all()) else self._clips[int((~finite).nonzero()[0, 0])]
        met = [place for place in gather_objects(bad) if place is not None]
        if met:
            step, recordings = min(met)
            names = ", ".join(sorted(set(recordings)))
            raise NonFiniteLoss(
                f"step {step}: the loss is not finite, on clips of {names};"
                " lower optimizer.base_lr or set engine.clip_grad_norm, then start again from the"
                " last checkpoint"
            )
        counts = [float(losses.sum()), len(losses), sum(len(r) for _, r in self._clips)]
        total, micro_batches, reads = sum_over_processes(
            torch.tensor(counts, dtype=torch.float64, device=losses.device)
        ).tolist()
        failures = tuple(failure for part in gather_objects(self._failures) for failure in part)
        seconds = time.perf_counter() - self._began
        waiting = self._waited / seconds
        self._clear()
        return Interval(total / micro_batches, int(reads), failures, seconds, waiting)


def memory_gib(device: torch.device) -> float:
    """Peak memory so far: of the GPU, or of this process where there is none."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    # getrusage would tell the parent's peak where that was higher
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20


def peak_flops(device_name: str) -> float | None:
    """The data sheet's operations a second of a device, None where it is not in the table."""
    return next((peak for name, peak in PEAK_FLOPS.items() if name in device_name), None)
