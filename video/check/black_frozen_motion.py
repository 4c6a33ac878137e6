"""Finds black and frozen spans, and measures motion, from small grey frames."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from video.recording import Span

INTERVAL_SECONDS = 0.5  # between thumbnails
ROWS = 72  # of a thumbnail
BLACK = 12  # grey level that at most 2 % of a black frame's pixels exceed
STILL = 1  # grey levels by which pixels of frozen frames may differ
FROZEN_SECONDS = 3.0  # shorter frozen spans are normal
MAX_STORED = 400
MAX_PARTS = 60  # equal parts of a recording for which motion is measured
PART_SECONDS = 10.0  # at least


class Thumbnails:
    """Small grey frames of a recording, one every half second."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.stored: list[UInt8[np.ndarray, "y x"]] = []  # evenly spaced, at most MAX_STORED
        self._stride = 1
        self._last: UInt8[np.ndarray, "y x"] | None = None
        self._black: list[bool] = []
        self._change: list[tuple[int, float]] = []  # maximum and mean, since the last thumbnail

    def is_due(self, time: float) -> bool:
        return not self.times or time >= self.times[-1] + INTERVAL_SECONDS

    def add(self, time: float, image: UInt8[np.ndarray, "y x 3"]) -> None:
        grey = (image @ np.array([77, 150, 29], np.uint16) // 256).astype(np.uint8)
        if self._last is not None:
            difference = np.abs(grey.astype(np.int16) - self._last)
            self._change.append((int(difference.max()), float(difference.mean())))
        if len(self.times) % self._stride == 0:
            self.stored.append(grey)
        if len(self.stored) > MAX_STORED:
            self.stored, self._stride = self.stored[::2], 2 * self._stride
        self.times.append(time)
        self._last = grey
        self._black.append(bool(np.quantile(grey, 0.98) < BLACK))

    def black(self, end: float) -> tuple[Span, ...]:
        """Spans from the first black thumbnail to the first that is not black."""
        return _runs(self._black, [*self.times, end], 0.0)

    def frozen(self, end: float) -> tuple[Span, ...]:
        """Spans in which frames do not change and are not black."""
        still = [
            largest <= STILL and not black
            for (largest, _), black in zip(self._change, self._black, strict=False)
        ]
        return _runs(still, [*self.times[: len(still)], end], FROZEN_SECONDS)

    def motion(self, seconds: float) -> str:
        """A digit for each part: its mean change, scaled so that the largest is 9."""
        parts = max(1, min(MAX_PARTS, int(seconds / PART_SECONDS)))
        if not self._change:
            return ""
        changes = np.array([mean for _, mean in self._change])
        part = np.minimum(np.array(self.times[1:]) / seconds * parts, parts - 1).astype(int)
        counts = np.bincount(part, minlength=parts)
        means = np.bincount(part, changes, parts) / np.maximum(counts, 1)
        digits = np.round(9 * means / max(means.max(), 1e-9)).astype(int)
        return "".join(map(str, digits.tolist()))


def _runs(flags: Sequence[bool], times: Sequence[float], min_seconds: float) -> tuple[Span, ...]:
    """Spans in which flags are true; `times` has one more entry, the end of the last flag."""
    spans, begin = [], None
    for flag, time in zip([*flags, False], times, strict=False):
        if flag and begin is None:
            begin = time
        if not flag and begin is not None:
            if time - begin >= min_seconds and time > begin:
                spans.append((round(begin, 3), round(time, 3)))
            begin = None
    return tuple(spans)
