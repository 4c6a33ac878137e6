"""Where in which recording a clip is taken: in proportion to duration, evenly over an epoch."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from video.config import Sampling
from video.manifest import Recording


class Place(NamedTuple):
    """A clip to be read."""

    recording: int
    times: tuple[float, ...]  # of its frames, in seconds from the recording's first


def clip_seconds(recording: Recording, frames: int, sampling: Sampling) -> float:
    """Time from the beginning of a clip's first frame to the end of its last."""
    return (frames - 1) * sampling.step_seconds(recording.fps) + 1 / recording.fps


class ClipSampler:
    """Numbers the reads of an epoch, and draws the place of each.

    A recording is cut into stretches of `seconds_per_clip`, or of what a clip spans; an epoch
    reads one clip of each stretch, so a two-hour operation gives thousands and none is left out.
    Recordings must be as long as a clip.
    """

    def __init__(self, recordings: Sequence[Recording], frames: int, sampling: Sampling) -> None:
        self._recordings, self._frames, self._sampling = recordings, frames, sampling
        reads = [max(1, round(r.seconds / self._stretch(r))) for r in recordings]
        self._ends = np.cumsum(reads)

    def _stretch(self, recording: Recording) -> float:
        span = self._frames * self._sampling.step_seconds(recording.fps)
        return self._sampling.seconds_per_clip or span

    @property
    def reads_per_epoch(self) -> int:
        return int(self._ends[-1])

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """The positions of an epoch, shuffled."""
        return rng.permutation(np.arange(self.reads_per_epoch, dtype=np.uint32))

    def draw(self, position: int, rng: np.random.Generator) -> Place:
        """A clip that begins anywhere in the position's share of its recording, at a frame."""
        chosen = int(np.searchsorted(self._ends, position, side="right"))
        recording = self._recordings[chosen]
        step = self._sampling.step_seconds(recording.fps)
        first = int(self._ends[chosen - 1]) if chosen else 0
        share = (position - first + rng.random()) / (int(self._ends[chosen]) - first)
        latest = recording.seconds - clip_seconds(recording, self._frames, self._sampling)
        begin = int(share * (max(latest, 0.0) * recording.fps + 1 + 1e-6)) / recording.fps
        return Place(chosen, tuple(begin + i * step for i in range(self._frames)))
