"""What is kept of a recording's frames while they pass by, and what they tell together."""

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
from video.recording import Recording, Span, merge_spans

UNSTEADY = 0.1  # of the usual time between frames


class FrameStatistics:
    """What is kept of the frames of a recording while they pass by."""

    def __init__(self, recording: Recording, groups: Sequence[Sequence[float]]) -> None:
        self._recording, self._groups = recording, groups
        self._wanted = sorted({time for times in groups for time in times})
        self._shown: dict[float, tuple[float, UInt8[np.ndarray, "y x 3"]]] = {}
        self._before: DecodedFrame | None = None
        self._early = timestamp_tolerance(recording.fps)
        self._columns = max(1, round(ROWS * recording.width / recording.height))
        self.thumbnails = Thumbnails()
        self.times: list[float] = []
        self.key_times: list[float] = []
        self.interlaced = 0

    def add(self, frame: DecodedFrame) -> None:
        self._show_until(frame.time)
        self._before = frame
        self.times.append(frame.time)
        if frame.is_key:
            self.key_times.append(frame.time)
        self.interlaced += frame.interlaced
        if self.thumbnails.is_due(frame.time):
            self.thumbnails.add(frame.time, frame.pixels(ROWS, self._columns))

    def _show_until(self, time: float) -> None:
        """Keeps the last frame for the times at which it was shown."""
        while self._wanted and self._wanted[0] + self._early < time:
            at = self._wanted.pop(0)
            if self._before is not None:
                picture = self._before.pixels(verify.ROWS, verify.COLUMNS)
                self._shown[at] = self._before.time, picture

    def measured(self, whole: SequentialDecoder, content: str) -> Recording:
        """The recording with all that its frames told."""
        probed, times = self._recording, self.times
        self._show_until(float("inf"))
        end = times[-1] + 1 / probed.fps
        damaged = [(time, time + 1 / probed.fps) for time in whole.lost if time < end]
        gaps = np.diff([*self.key_times, end])
        return replace(
            probed,
            frames=len(times),
            seconds=end,
            holes=_rounded([*holes_between(times, probed.fps), *damaged]),
            black=self.thumbnails.black(end),
            frozen=self.thumbnails.frozen(end),
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
        usual = float(np.median(steps)) if len(steps) else 0.0
        return bool((np.abs(steps - usual) <= max(UNSTEADY * usual, 2e-3)).all())

    def intact_groups(
        self, recording: Recording
    ) -> tuple[list[Sequence[float]], list[UInt8[np.ndarray, "t y x 3"]]]:
        """The groups of times whose frames were decoded, with the frames."""
        groups, pictures = [], []
        for times in self._groups:
            shown = [self._shown[time] for time in times if time in self._shown]
            touched = any(
                begin - 1 / recording.fps <= time <= end
                for begin, end in recording.holes
                for time in times
            )
            if len(shown) == len(times) and not touched and times[-1] <= recording.seconds:
                groups.append(times)
                pictures.append(np.stack([picture for _, picture in shown]))
        return groups, pictures


def _rounded(spans: Sequence[Span]) -> tuple[Span, ...]:
    return tuple((round(begin, 4), round(end, 4)) for begin, end in merge_spans(spans, 1e-3))
