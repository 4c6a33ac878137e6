"""Verifies that a reader returns the frames of sequential decoding at random positions."""

import math
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from video.readers.random_access import read_frames
from video.readers.reference_frames import COLUMNS, ROWS, Images, Times
from video.readers.registry import READERS
from video.recording import Recording, Span, UnreadableVideo

NEARER = 0.25  # grey levels: a neighbour that is closer by more is the frame that was returned
# A fault at one position in twenty is found with a probability of 1 - 0.95^90 = 99 %.
MAX_POSITIONS, MIN_POSITIONS, FRAMES_PER_POSITION = 90, 8, 16
PLACES, PLACE_SECONDS = 9, 20.0  # in a long recording, for a quick verification


def rng_for(path: str) -> np.random.Generator:
    """A generator for the positions in a recording; it depends on the file name alone."""
    return np.random.default_rng(zlib.crc32(os.fsencode(Path(path).name)))


def draw_times(
    recording: Recording, rng: np.random.Generator, is_quick: bool = False
) -> list[list[float]]:
    """Times of neighbouring frames at random positions and at the end, outside holes.

    The positions are spread evenly; those of a quick verification, evenly within PLACES of
    PLACE_SECONDS, so that little need be decoded to know their frames.
    """
    seconds = recording.shown_seconds
    wanted = math.ceil(seconds * recording.fps / FRAMES_PER_POSITION)
    positions = min(max(wanted, MIN_POSITIONS), MAX_POSITIONS)
    shares = (np.arange(positions) + rng.random(positions)) / positions
    place_seconds = PLACE_SECONDS if is_quick else math.inf
    if PLACES * place_seconds < seconds:
        place = np.floor(shares * PLACES)
        begins = (np.arange(PLACES) + rng.random(PLACES)) * (seconds - place_seconds) / PLACES
        starts = begins[place.astype(int)] + (shares * PLACES - place) * place_seconds
    else:
        starts = shares * seconds
    last = recording.seconds - 1 / recording.fps
    groups = []
    for start in [*_outside_holes(starts, recording.holes), recording.seconds]:
        first = round(min(start, last) * recording.fps) - 2
        times = {max(first + n, 0) / recording.fps for n in range(3)}
        shown = sorted(t for t in times if not any(a <= t < b for a, b in recording.holes))
        groups += [shown] if shown else []
    return groups


def _outside_holes(shown: Float[np.ndarray, " n"], holes: Sequence[Span]) -> list[float]:
    """Times in a recording after which so many seconds of it were shown."""
    times = np.array(shown)
    for begin, end in holes:
        times[times >= begin] += end - begin
    return [float(time) for time in times]


def choose_reader(
    recording: Recording,
    preferred: str,
    groups: Sequence[Times],
    expected: Sequence[Images],
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
    if not groups:
        raise UnreadableVideo(recording.path, "has no intact part in which to verify a reader")
    candidates = [preferred, *(name for name, reader in READERS.items() if reader.fallback)]
    faults = []
    for name in dict.fromkeys(candidates):
        candidate = replace(recording, reader=name)
        fault = _find_fault(candidate, groups, expected, report_progress)
        if fault is None:
            return replace(candidate, verified=f"{len(groups)} positions")
        faults.append(f"{name}: {fault}")
    raise UnreadableVideo(
        recording.path, "no reader returns the right frames (" + "; ".join(faults) + ")"
    )


def _find_fault(
    recording: Recording,
    groups: Sequence[Times],
    expected: Sequence[Images],
    report_progress: Callable[[float], None],
) -> str | None:
    """What is wrong with the first frame that differs from the reference; None: nothing."""
    reader = READERS[recording.reader]
    try:
        for times, frames, read in zip(
            groups, expected, _read(recording, groups, report_progress), strict=True
        ):
            differences = _differences(read, frames)
            for n, time in enumerate(times):
                # other colours are equally far from all neighbours; a wrong frame is closer to one
                if differences[n, n] > differences[n].min() + NEARER:
                    return f"returns a different frame at {time:.2f} s"
                if differences[n, n] > reader.max_difference:
                    return f"returns altered pixels at {time:.2f} s"
    except UnreadableVideo as failure:
        return failure.reason
    return None


def _read(
    recording: Recording, groups: Sequence[Times], report_progress: Callable[[float], None]
) -> Iterator[Images]:
    """The frames of each group, by a read for each; by one read where it decodes everything."""
    if READERS[recording.reader].from_beginning:
        together = sorted({time for times in groups for time in times})
        frames = read_frames(recording, together, ROWS, COLUMNS)
        yield from (frames[np.searchsorted(together, times)] for times in groups)
        return
    for times in groups:
        report_progress(0.0)
        yield read_frames(recording, times, ROWS, COLUMNS)


def _differences(
    one: UInt8[np.ndarray, "t y x c"], other: UInt8[np.ndarray, "t y x c"]
) -> Float[np.ndarray, "t t"]:
    """Mean absolute difference of each frame of one to each of the other, in grey levels."""
    pairs = one[:, None].astype(np.int16) - other[None]
    return np.abs(pairs).mean(axis=(2, 3, 4), dtype=np.float64)
