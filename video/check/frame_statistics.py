"""Collects statistics of all frames of a recording, one pass over them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from video.check.black_frozen_motion import ROWS, Thumbnails
from video.check.field_of_view import estimate_view
from video.fingerprint import total_bytes
from video.near_duplicates.fingerprint import FingerprintBuilder
from video.readers.probe import holes_between
from video.readers.reference_frames import ReferenceFrames
from video.readers.sequential import DecodedFrame, SequentialDecoder
from video.recording import Recording, spans_within

UNSTEADY = 0.1  # of the median time between frames


class FrameStatistics:
    """Statistics of frames that are added one by one, and reference frames at given times."""

    def __init__(self, recording: Recording, groups: Sequence[Sequence[float]]) -> None:
        self._recording = recording
        self.references = ReferenceFrames(recording, groups)
        self._columns = max(1, round(ROWS * recording.width / recording.height))
        self.thumbnails = Thumbnails()
        self._hashed = FingerprintBuilder(recording.seconds)
        self.times: list[float] = []
        self.interlaced = 0

    def add(self, frame: DecodedFrame) -> None:
        self.references.add(frame)
        self.times.append(frame.time)
        self.interlaced += frame.interlaced
        wanting = [each for each in (self.thumbnails, self._hashed) if each.is_due(frame.time)]
        if wanting:
            image = frame.pixels(ROWS, self._columns)
            for each in wanting:
                each.add(frame.time, image)

    def measured(self, decoder: SequentialDecoder, content: str) -> Recording:
        """The recording's row with all that was measured."""
        probed, times = self._recording, self.times
        self.references.end()
        end = times[-1] + 1 / probed.fps
        gaps = np.diff([*decoder.key_times, end])
        return replace(
            probed,
            frames=len(times),
            seconds=end,
            holes=spans_within([*holes_between(times, probed.fps), *decoder.damaged(end)], end),
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
            fingerprint=self._hashed.fingerprint().text(),
        )

    def _is_steady(self) -> bool:
        steps = np.diff(self.times)
        median = float(np.median(steps)) if len(steps) else 0.0
        return bool((np.abs(steps - median) <= max(UNSTEADY * median, 2e-3)).all())
