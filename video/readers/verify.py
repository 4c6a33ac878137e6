"""Verifies that a reader returns the frames of sequential decoding at random positions."""

import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from video.readers.pyav_reader import read_after
from video.readers.random_access import read_frames
from video.readers.registry import READERS
from video.recording import Recording, UnreadableVideo

ROWS, COLUMNS = 48, 64  # frames are compared at this size
NEARER = 0.25  # grey levels: a neighbour that is closer by more is the frame that was returned
RUN_UP = 20.0  # seconds of sequential decoding before a position

Truth = Callable[[Sequence[float]], UInt8[np.ndarray, "t y x c"]]


def sequential_truth(recording: Recording) -> Truth:
    """Reference frames, by sequential decoding that begins well before them."""

    def truth(times: Sequence[float]) -> UInt8[np.ndarray, "t y x c"]:
        return read_after(recording, times, ROWS, COLUMNS, RUN_UP)

    return truth


def rng_for(path: str) -> np.random.Generator:
    """A generator for the positions in a recording; it depends on the file name alone."""
    return np.random.default_rng(zlib.crc32(os.fsencode(Path(path).name)))


def draw_times(recording: Recording, positions: int, rng: np.random.Generator) -> list[list[float]]:
    """Times of neighbouring frames at random positions and at the end, outside holes."""
    last = recording.seconds - 1 / recording.fps
    starts = [*rng.uniform(0, recording.seconds, positions), recording.seconds]
    groups = []
    for start in starts:
        first = round(min(start, last) * recording.fps) - 2
        times = [max(first + n, 0) / recording.fps for n in range(3)]
        if not any(a <= time < b for a, b in recording.holes for time in times):
            groups.append(sorted(set(times)))
    return groups


def choose_reader(
    recording: Recording,
    preferred: str,
    groups: Sequence[Sequence[float]],
    truth: Truth,
    report_progress: Callable[[float], None],
) -> Recording:
    """The recording with the first reader that returns the right frames at all times.

    The preferred reader is tried first, then the fallback readers of the table. Raises
    UnreadableVideo, with the fault of each, where all fail. Images have one reader and no
    reference: they are only read.
    """
    if recording.is_image_sequence:
        for times in groups:
            report_progress(0.0)
            read_frames(recording, times, ROWS, COLUMNS)
        return replace(recording, verified=f"{len(groups)} positions")
    expected = []
    for times in groups:
        report_progress(0.0)
        expected.append(truth(times))
    candidates = [preferred, *(name for name, reader in READERS.items() if reader.fallback)]
    faults = []
    for name in dict.fromkeys(candidates):
        report_progress(0.0)
        candidate = replace(recording, reader=name)
        fault = _find_fault(candidate, groups, expected)
        if fault is None:
            return replace(candidate, verified=f"{len(groups)} positions")
        faults.append(f"{name}: {fault}")
    raise UnreadableVideo(
        recording.path, "no reader returns the right frames (" + "; ".join(faults) + ")"
    )


def _find_fault(
    recording: Recording,
    groups: Sequence[Sequence[float]],
    expected: Sequence[UInt8[np.ndarray, "t y x c"]],
) -> str | None:
    """What is wrong with the first frame that differs from the reference; None: nothing."""
    tolerance = READERS[recording.reader].max_difference
    for times, frames in zip(groups, expected, strict=True):
        try:
            read = read_frames(recording, times, ROWS, COLUMNS)
        except UnreadableVideo as failure:
            return failure.reason
        differences = _differences(read, frames)
        for n, time in enumerate(times):
            # other colours are equally far from all neighbours; a wrong frame is closer to one
            if differences[n, n] > differences[n].min() + NEARER:
                return f"returns a different frame at {time:.2f} s"
            if differences[n, n] > tolerance:
                return f"returns altered pixels at {time:.2f} s"
    return None


def _differences(
    one: UInt8[np.ndarray, "t y x c"], other: UInt8[np.ndarray, "t y x c"]
) -> Float[np.ndarray, "t t"]:
    """Mean absolute difference of each frame of one to each of the other, in grey levels."""
    pairs = one[:, None].astype(np.int16) - other[None]
    return np.abs(pairs).mean(axis=(2, 3, 4), dtype=np.float64)
