"""Times of steps on the device, taken without waiting for it."""

import time
from itertools import pairwise
from typing import Any

import torch


class StepClock:
    """Marks the device's time; on a CPU, that of the host."""

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._marks: list[Any] = []

    def mark(self) -> None:
        if self._on_gpu:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._marks.append(event)
        else:
            self._marks.append(time.perf_counter())

    def seconds(self) -> list[float]:
        """Between each mark and the next one; waits for the device."""
        if not self._on_gpu:
            return [end - begin for begin, end in pairwise(self._marks)]
        torch.cuda.synchronize()
        return [begin.elapsed_time(end) / 1e3 for begin, end in pairwise(self._marks)]
