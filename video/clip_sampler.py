"""Where in which recording a clip is taken: in proportion to duration, evenly over an epoch."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from video.clip_spans import frame_intervals, frame_times, usable_seconds
from video.config import Sampling
from video.recording import Recording


class SamplingPlan(NamedTuple):
    """How a source of recordings is sampled."""

    sampling: Sampling
    weight: float = 1.0  # clips of a second of it, relative to other sources


class ClipLocation(NamedTuple):
    """A clip to be read."""

    recording: int
    times: tuple[float, ...]  # of its frames, in seconds from the recording's time 0


class ClipSampler:
    """Numbers the reads of an epoch, and draws the place of each.

    A recording is cut into stretches of `seconds_per_clip`, or of what a clip spans, shortened by
    the weight of its source; an epoch reads one clip of each, so a two-hour operation gives
    thousands and none is left out. `plans` has a plan for each `source` of the recordings, all of
    which must have room for a clip.
    """

    def __init__(
        self, recordings: Sequence[Recording], frames: int, plans: Mapping[str, SamplingPlan]
    ) -> None:
        self._recordings, self._frames, self._plans = recordings, frames, plans
        self._ends = np.cumsum([self._reads(recording) for recording in recordings])

    def _reads(self, recording: Recording) -> int:
        sampling, weight = self._plans[recording.source]
        usable = usable_seconds(recording, self._frames, sampling)
        stretch = sampling.seconds_per_clip or (self._frames * sampling.step_seconds(recording.fps))
        return max(1, round(weight * usable / stretch))

    @property
    def reads_per_epoch(self) -> int:
        return int(self._ends[-1])

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """The positions of an epoch, shuffled."""
        return rng.permutation(np.arange(self.reads_per_epoch, dtype=np.uint32))

    def draw(self, position: int, rng: np.random.Generator) -> ClipLocation:
        """A clip that begins anywhere in the position's share of its recording, at a frame."""
        chosen = int(np.searchsorted(self._ends, position, side="right"))
        recording = self._recordings[chosen]
        sampling = self._plans[recording.source].sampling
        first = int(self._ends[chosen - 1]) if chosen else 0
        share = (position - first + rng.random()) / (int(self._ends[chosen]) - first)
        places = frame_intervals(recording, self._frames, sampling)
        ends = np.cumsum([place.frames * place.weight for place in places])
        at = share * ends[-1]
        which = min(int(np.searchsorted(ends, at, side="right")), len(places) - 1)
        place = places[which]
        frame = int((at - (ends[which - 1] if which else 0.0)) / place.weight)
        begin = place.begin + min(frame, place.frames - 1) / recording.fps
        step = sampling.step_seconds(recording.fps)
        times = frame_times(place, begin, self._frames, step, recording, sampling.short_videos)
        return ClipLocation(chosen, times)
