"""Collects statistics of all frames of a recording, one pass over them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import UInt8

from video.check.black_frozen_motion import ROWS, Thumbnails
from video.check.field_of_view import estimate_view
from video.fingerprint import total_bytes
from video.readers import verify
from video.readers.container import timestamp_tolerance
from video.readers.probe import holes_between
from video.readers.sequential import DecodedFrame, SequentialDecoder
from video.recording import Recording, spans_within

UNSTEADY = 0.1  # of the median time between frames


class FrameStatistics:
    """Statistics of frames that are added one by one, and the frames at given times."""

    def __init__(self, recording: Recording, groups: Sequence[Sequence[float]]) -> None:
        self._recording, self._groups = recording, groups
        self._pending = sorted({time for times in groups for time in times})
        self._frames_at: dict[float, tuple[float, UInt8[np.ndarray, "y x 3"]]] = {}
        self._before: DecodedFrame | None = None
        self._tolerance = timestamp_tolerance(recording.fps)
        self._columns = max(1, round(ROWS * recording.width / recording.height))
        self.thumbnails = Thumbnails()
        self.times: list[float] = []
        self.key_times: list[float] = []
        self.interlaced = 0

    def add(self, frame: DecodedFrame) -> None:
        self._store_until(frame.time)
        self._before = frame
        self.times.append(frame.time)
        if frame.is_key:
            self.key_times.append(frame.time)
        self.interlaced += frame.interlaced
        if self.thumbnails.is_due(frame.time):
            self.thumbnails.add(frame.time, frame.pixels(ROWS, self._columns))

    def _store_until(self, time: float) -> None:
        """Stores the last frame for the given times at which it was displayed."""
        while self._pending and self._pending[0] + self._tolerance < time:
            at = self._pending.pop(0)
            if self._before is not None:
                image = self._before.pixels(verify.ROWS, verify.COLUMNS)
                self._frames_at[at] = self._before.time, image

    def measured(self, decoder: SequentialDecoder, content: str) -> Recording:
        """The recording's row with all that was measured."""
        probed, times = self._recording, self.times
        self._store_until(float("inf"))
        end = times[-1] + 1 / probed.fps
        damaged = [(time, time + 1 / probed.fps) for time in decoder.lost if time < end]
        gaps = np.diff([*self.key_times, end])
        return replace(
            probed,
            frames=len(times),
            seconds=end,
            holes=spans_within([*holes_between(times, probed.fps), *damaged], end),
            black=spans_within(self.thumbnails.black(end), end),
            frozen=spans_within(self.thumbnails.frozen(end), end),
            view=estimate_view(self.thumbnails.stored),
            motion=self.thumbnails.motion(end),
            key_frame_seconds=None
            if probed.is_image_sequence or not len(gaps)
            else round(float(gaps.max()), 3),
            steady=self._is_steady(),
            bytes=total_bytes(probed.path),
            content=content,
        )

    def _is_steady(self) -> bool:
        steps = np.diff(self.times)
        median = float(np.median(steps)) if len(steps) else 0.0
        return bool((np.abs(steps - median) <= max(UNSTEADY * median, 2e-3)).all())

    def intact_groups(
        self, recording: Recording
    ) -> tuple[list[Sequence[float]], list[UInt8[np.ndarray, "t y x 3"]]]:
        """The groups of times all of whose frames were decoded, with the frames."""
        groups, images = [], []
        for times in self._groups:
            shown = [self._frames_at[time] for time in times if time in self._frames_at]
            is_damaged = any(
                begin - 1 / recording.fps <= time <= end
                for begin, end in recording.holes
                for time in times
            )
            if len(shown) == len(times) and not is_damaged and times[-1] <= recording.seconds:
                groups.append(times)
                images.append(np.stack([image for _, image in shown]))
        return groups, images
