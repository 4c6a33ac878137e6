"""Draws clips from recordings in proportion to duration, evenly over an epoch."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from video.clip_spans import frame_intervals, frame_times, usable_seconds
from video.config import Sampling
from video.recording import Recording


class SamplingPlan(NamedTuple):
    """The sampling of a source, and its weight."""

    sampling: Sampling
    weight: float = 1.0  # clips per second, relative to other sources


class ClipLocation(NamedTuple):
    """A recording, by index, and the times of a clip's frames."""

    recording: int
    times: tuple[float, ...]  # of its frames, in seconds from the recording's time 0


class ClipSampler:
    """Numbers the reads of an epoch, and draws a clip for each.

    A recording is divided into intervals of `seconds_per_clip`, or else of a clip's duration,
    divided by the weight of its source. An epoch reads one clip from each interval, so a two-hour
    operation gives thousands. `plans` has a plan for each `source` of the recordings, all of which
    must be long enough for a clip.
    """

    def __init__(
        self, recordings: Sequence[Recording], frames: int, plans: Mapping[str, SamplingPlan]
    ) -> None:
        self._recordings, self._frames, self._plans = recordings, frames, plans
        self._ends = np.cumsum([self._reads(recording) for recording in recordings])

    def _reads(self, recording: Recording) -> int:
        sampling, weight = self._plans[recording.source]
        usable = usable_seconds(recording, self._frames, sampling)
        interval = sampling.seconds_per_clip or (
            self._frames * sampling.step_seconds(recording.fps)
        )
        return max(1, round(weight * usable / interval))

    @property
    def reads_per_epoch(self) -> int:
        return int(self._ends[-1])

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """The positions of an epoch, shuffled."""
        return rng.permutation(np.arange(self.reads_per_epoch, dtype=np.uint32))

    def draw(self, position: int, rng: np.random.Generator) -> ClipLocation:
        """A clip that begins at a random frame in the position's interval of its recording."""
        chosen = int(np.searchsorted(self._ends, position, side="right"))
        recording = self._recordings[chosen]
        sampling = self._plans[recording.source].sampling
        first = int(self._ends[chosen - 1]) if chosen else 0
        share = (position - first + rng.random()) / (int(self._ends[chosen]) - first)
        intervals = frame_intervals(recording, self._frames, sampling)
        ends = np.cumsum([interval.frames * interval.weight for interval in intervals])
        at = share * ends[-1]
        which = min(int(np.searchsorted(ends, at, side="right")), len(intervals) - 1)
        interval = intervals[which]
        frame = int((at - (ends[which - 1] if which else 0.0)) / interval.weight)
        begin = interval.begin + min(frame, interval.frames - 1) / recording.fps
        step = sampling.step_seconds(recording.fps)
        times = frame_times(interval, begin, self._frames, step, recording, sampling.short_videos)
        return ClipLocation(chosen, times)
