"""Which frames a labelled moment is judged by: those before it, or those around it."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field
from pydantic.dataclasses import dataclass

from finetune.data.clip_sampling import Interval
from launch.config import STRICT

Spacing = Literal["even", "exponential", "incremental"]


@dataclass(frozen=True, config=STRICT)
class WindowSampling:
    """The frames of a clip for one moment.

    `causal` ends at the moment and sees nothing of what comes; `centred` has it at frame
    `frames // 2`; `centred_published` has it twice, as upstream's code does. Where the recording
    begins or ends, the last frame that a step reaches is repeated: a window never leaves it.
    """

    kind: Literal["causal", "centred", "centred_published"] = "causal"
    """causal: frames up to the timestamp; centred: frames on both sides of it."""
    step_seconds: Annotated[float, Field(gt=0)] = 4.0
    """Seconds between two frames, or between the two nearest."""
    spacing: Spacing = "even"
    """Steps of 1, 1, 1, ... (even), 1, 2, 4, 8, ... (exponential) or 1, 2, 4, 6, ... (incremental)
    times step_seconds."""

    def times(self, moment: float, frames: int, last: float) -> Float[np.ndarray, " t"]:
        """Seconds, ascending; `last` is the time of the recording's last frame, 0 of its first."""
        right = 0 if self.kind == "causal" else frames // 2
        left = frames - right
        before = self._walk(moment, left, -1, last)[::-1]
        if self.kind == "centred_published":
            after = self._walk(moment, right, 1, last)
        else:
            after = self._walk(moment, right + 1, 1, last)[1:]
        return np.array([*before, *after], dtype=np.float64)

    def training_times(
        self, stretch: Interval, frames: int, rng: np.random.Generator
    ) -> Float[np.ndarray, "1 t"]:
        """The window of a moment, in which nothing is random."""
        return self.times(stretch.begin, frames, stretch.last)[None]

    def test_times(self, stretch: Interval, frames: int, views: int) -> Float[np.ndarray, "1 1 t"]:
        """The same; a moment has one window."""
        return self.times(stretch.begin, frames, stretch.last)[None, None]

    def _walk(self, moment: float, frames: int, way: int, last: float) -> list[float]:
        """The moment, and the frames one step after the other that way; where one would leave the
        recording, it stays."""
        steps = (way * step * self.step_seconds for step in _steps(self.spacing))

        def taken(at: float, step: float) -> float:
            return at + step if -ROUNDING <= at + step <= last + ROUNDING else at

        walked = accumulate(steps, taken, initial=min(max(moment, 0.0), last))
        return [time for time, _ in zip(walked, range(frames), strict=False)]


ROUNDING = 1e-6  # seconds


def _steps(spacing: Spacing) -> Iterator[int]:
    step = 1
    while True:
        yield step
        if spacing == "exponential":
            step *= 2
        elif spacing == "incremental":
            step = 2 if step == 1 else step + 2
