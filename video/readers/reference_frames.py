"""Small frames at given times from sequential decoding, to which readers are compared."""

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from video.readers.container import timestamp_tolerance
from video.readers.sequential import DecodedFrame, SequentialDecoder
from video.recording import Recording, Span

ROWS, COLUMNS = 48, 64  # frames are compared at this size
ROUNDING = 1e-3  # seconds, of holes
RUN_UP = 20.0  # seconds of sequential decoding before a position

Times = Sequence[float]  # of neighbouring frames
Images = UInt8[np.ndarray, "_ y x 3"]


class ReferenceFrames:
    """The frames displayed at groups of times, taken from frames that are added in order."""

    def __init__(self, recording: Recording, groups: Sequence[Times]) -> None:
        self._groups = groups
        self._tolerance = timestamp_tolerance(recording.fps)
        self._pending = sorted({time for times in groups for time in times})
        self._images: dict[float, UInt8[np.ndarray, "y x 3"]] = {}
        self._before: DecodedFrame | None = None

    def begin(self, time: float) -> None:
        """The frames that follow are decoded from a new position."""
        self._before = None
        self._pending = [wanted for wanted in self._pending if wanted >= time]

    def add(self, frame: DecodedFrame) -> None:
        self._store_until(frame.time)
        self._before = frame

    def end(self) -> None:
        """No frame follows: the last one is displayed to the end."""
        self._store_until(float("inf"))

    def _store_until(self, time: float) -> None:
        while self._pending and self._pending[0] + self._tolerance < time:
            wanted = self._pending.pop(0)
            if self._before is not None:
                self._images[wanted] = self._before.pixels(ROWS, COLUMNS)

    def intact(self, seconds: float, holes: Sequence[Span]) -> tuple[list[Times], list[Images]]:
        """The groups before the end, outside holes, and all of whose frames are known."""
        groups, images = [], []
        for times in self._groups:
            is_known = all(time in self._images for time in times)
            is_damaged = any(
                begin - self._tolerance <= time < end - ROUNDING
                for begin, end in holes
                for time in times
            )
            if is_known and not is_damaged and times[-1] < seconds - ROUNDING:
                groups.append(times)
                images.append(np.stack([self._images[time] for time in times]))
        return groups, images


class References(NamedTuple):
    """The groups of times that can be compared, their frames, and the damage that was met."""

    groups: list[Times]
    images: list[Images]
    damaged: list[Span]


def decode_references(
    recording: Recording, groups: Sequence[Times], report_progress: Callable[[float], None]
) -> References:
    """Decodes the frames of the groups that are intact.

    From RUN_UP seconds before a group up to the last group that is near; or all of the recording,
    where half of the groups cannot be found in this way.
    """
    for run_up in (RUN_UP, float("inf")):
        frames, damaged, unknown = ReferenceFrames(recording, groups), list[Span](), list[Span]()
        for first, last in _near_each_other(groups, run_up):
            decoder = SequentialDecoder(recording, max(first - run_up, 0.0))
            end = _decode_until(last, decoder, frames, report_progress)
            for span in decoder.damaged(end):
                # what precedes the first key frame of a later position is not damaged, only unknown
                is_known = not decoder.begin or span[0] >= min(decoder.key_times, default=end)
                (damaged if is_known else unknown).append(span)
        intact, images = frames.intact(recording.seconds, [*recording.holes, *damaged, *unknown])
        if 2 * len(intact) >= len(groups):
            break
    return References(intact, images, damaged)


def _near_each_other(groups: Sequence[Times], distance: float) -> list[Span]:
    """First and last times of runs of groups that are closer to each other than a distance."""
    runs: list[Span] = []
    for times in sorted(groups, key=lambda times: times[0]):
        if runs and times[0] - runs[-1][1] <= distance:
            runs[-1] = runs[-1][0], times[-1]
        else:
            runs.append((times[0], times[-1]))
    return runs


def _decode_until(
    last: float,
    decoder: SequentialDecoder,
    frames: ReferenceFrames,
    report_progress: Callable[[float], None],
) -> float:
    """Adds the frames up to one behind `last`, whose time it returns."""
    frames.begin(decoder.begin)
    time = decoder.begin
    with closing(iter(decoder)) as decoded:
        for number, frame in enumerate(decoded):
            if number % 100 == 0:
                report_progress(0.0)
            frames.add(frame)
            time = frame.time
            if time > last + 1.0:
                break
        else:
            frames.end()
            time = float("inf")
    return time
