"""What a recording looks like over time: black, frozen, in motion."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from video.recording import Span

INTERVAL_SECONDS = 0.5  # seconds between looks
ROWS = 72  # of a look
BLACK = 12  # grey levels that hardly a pixel of a black frame exceeds
STILL = 1  # grey levels by which frozen pictures may differ
FROZEN_SECONDS = 3.0  # shorter stillness is normal
MAX_STORED = 400
PARTS = 60  # of a recording, for its motion; none shorter than
PART_SECONDS = 10.0


class Thumbnails:
    """Small grey pictures of a recording, one every half second."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.stored: list[UInt8[np.ndarray, "y x"]] = []  # evenly spread, some hundred at most
        self._spread = 1
        self._last: UInt8[np.ndarray, "y x"] | None = None
        self._black: list[bool] = []
        self._change: list[tuple[int, float]] = []  # greatest and mean, since the look before

    def is_due(self, time: float) -> bool:
        return not self.times or time >= self.times[-1] + INTERVAL_SECONDS

    def add(self, time: float, picture: UInt8[np.ndarray, "y x 3"]) -> None:
        grey = (picture @ np.array([77, 150, 29], np.uint16) // 256).astype(np.uint8)
        if self._last is not None:
            difference = np.abs(grey.astype(np.int16) - self._last)
            self._change.append((int(difference.max()), float(difference.mean())))
        if len(self.times) % self._spread == 0:
            self.stored.append(grey)
        if len(self.stored) > MAX_STORED:
            self.stored, self._spread = self.stored[::2], 2 * self._spread
        self.times.append(time)
        self._last = grey
        self._black.append(bool(np.quantile(grey, 0.98) < BLACK))

    def black(self, end: float) -> tuple[Span, ...]:
        """Spans, from the first black look to the first that is not."""
        return _runs(self._black, [*self.times, end], 0.0)

    def frozen(self, end: float) -> tuple[Span, ...]:
        """Spans in which the picture stays the same, and is not black."""
        still = [
            greatest <= STILL and not black
            for (greatest, _), black in zip(self._change, self._black, strict=False)
        ]
        return _runs(still, [*self.times[: len(still)], end], FROZEN_SECONDS)

    def motion(self, seconds: float) -> str:
        """A digit for each equal part: its mean change, 9 for the greatest."""
        parts = max(1, min(PARTS, int(seconds / PART_SECONDS)))
        if not self._change:
            return ""
        changes = np.array([mean for _, mean in self._change])
        where = np.minimum(np.array(self.times[1:]) / seconds * parts, parts - 1).astype(int)
        counts = np.bincount(where, minlength=parts)
        means = np.bincount(where, changes, parts) / np.maximum(counts, 1)
        digits = np.round(9 * means / max(means.max(), 1e-9)).astype(int)
        return "".join(map(str, digits.tolist()))


def _runs(flags: Sequence[bool], times: Sequence[float], shortest: float) -> tuple[Span, ...]:
    """Spans in which flags are up; `times` has one more, at which the last flag ends."""
    spans, begin = [], None
    for flag, time in zip([*flags, False], times, strict=False):
        if flag and begin is None:
            begin = time
        if not flag and begin is not None:
            if time - begin >= shortest and time > begin:
                spans.append((round(begin, 3), round(time, 3)))
            begin = None
    return tuple(spans)
