"""What a label is of, and what a sampling of frames must provide."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float


class Interval(NamedTuple):
    """A timestamp or an interval of a recording, in seconds from the recording's time 0."""

    begin: float
    end: float | None  # after the last frame; None: a timestamp
    fps: float
    last: float  # time of the recording's last frame

    @property
    def frames(self) -> int:
        """Number of frames, at least 1; of a timestamp, those up to the recording's end."""
        until = self.last + 1 / self.fps if self.end is None else self.end
        return max(1, int((min(until, self.last + 1 / self.fps) - self.begin) * self.fps + 0.5))

    def times(self, indices: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """Times of frames, counted from the first; an index after the end is the last frame."""
        clipped = np.clip(np.floor(indices), 0, self.frames - 1)
        return np.minimum(self.begin + clipped / self.fps, self.last)


@runtime_checkable
class Sampling(Protocol):
    """Which frames represent a sample. Axes: v views, s segments, t frames."""

    @property
    def segments(self) -> int:
        """Clips of a sample that the head receives together."""

    def training_times(
        self, interval: Interval, frames: int, rng: np.random.Generator
    ) -> Float[np.ndarray, "s t"]:
        """Seconds, ascending in each segment."""

    def test_times(self, interval: Interval, frames: int, views: int) -> Float[np.ndarray, "v s t"]:
        """Seconds, without randomness; `views` is the largest number of views."""
