"""The window of frames from which a timestamp is classified."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Annotated, ClassVar, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field
from pydantic.dataclasses import dataclass

from finetune.data.interval import Interval
from launch.config import STRICT

Spacing = Literal["even", "exponential", "incremental"]
TIME_TOLERANCE = 1e-6  # seconds


@dataclass(frozen=True, config=STRICT)
class WindowSampling:
    """The frames from which one timestamp is classified.

    `causal`: the window ends at the timestamp and contains no later frame. `centred`: the
    timestamp is at index `(frames - 1) // 2`. `centred_published`: as in SurgVISTA's code, where
    a window of an even length has the timestamp twice. A window does not leave the recording:
    where a step would, the last frame that it reached is repeated.
    """

    segments: ClassVar[int] = 1

    kind: Literal["causal", "centred", "centred_published"] = "causal"
    """causal: frames up to the timestamp; centred: frames on both sides of it."""
    step_seconds: Annotated[float, Field(gt=0)] = 4.0
    """Seconds between two frames, or between the two nearest."""
    spacing: Spacing = "even"
    """Steps of 1, 1, 1, ... (even), 1, 2, 4, 8, ... (exponential) or 1, 2, 4, 6, ... (incremental)
    times step_seconds."""

    def times(self, timestamp: float, frames: int, last: float) -> Float[np.ndarray, " t"]:
        """Seconds, ascending; the recording's first frame is at 0, its last one at `last`."""
        right = 0 if self.kind == "causal" else frames // 2
        left = frames - right
        before = self._walk(timestamp, left, -1, last)[::-1]
        if self.kind == "centred_published" and frames % 2 == 0:
            after = self._walk(timestamp, right, 1, last)
        else:
            after = self._walk(timestamp, right + 1, 1, last)[1:]
        return np.array([*before, *after], dtype=np.float64)

    def training_times(
        self, interval: Interval, frames: int, rng: np.random.Generator
    ) -> Float[np.ndarray, "1 t"]:
        """The window of a timestamp; it is not random."""
        return self.times(interval.begin, frames, interval.last)[None]

    def test_times(self, interval: Interval, frames: int, views: int) -> Float[np.ndarray, "1 1 t"]:
        """The same window; a timestamp has only one view in time."""
        return self.times(interval.begin, frames, interval.last)[None, None]

    def _walk(self, timestamp: float, frames: int, direction: int, last: float) -> list[float]:
        """The timestamp, and the frames after it in one direction; a step out of the recording
        repeats the frame."""
        steps = (direction * step * self.step_seconds for step in _steps(self.spacing))

        def add(time: float, step: float) -> float:
            return time + step if -TIME_TOLERANCE <= time + step <= last + TIME_TOLERANCE else time

        times = accumulate(steps, add, initial=min(max(timestamp, 0.0), last))
        return [time for time, _ in zip(times, range(frames), strict=False)]


def _steps(spacing: Spacing) -> Iterator[int]:
    step = 1
    while True:
        yield step
        if spacing == "exponential":
            step *= 2
        elif spacing == "incremental":
            step = 2 if step == 1 else step + 2
