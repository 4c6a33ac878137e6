"""Finds whether two recordings show the same, by their fingerprints.

Frames of two recordings that differ little vote for the shift between their times. At the best
shifts, the frames that are displayed together are compared. Shared still images, such as a title,
are no evidence: only frames count that have changed more than the two recordings differ.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from video.near_duplicates.fingerprint import Fingerprint
from video.near_duplicates.frame_hash import BITS, MIRRORS, signs_of
from video.near_duplicates.small_products import multiply

NEAR = 12  # different bits of two frames that vote for a shift
SHIFT_BIN = 0.5  # seconds
SHIFTS = 3  # that are tried for each way to mirror
MIN_VOTES = 4
MAX_APART = 1.0  # seconds between two frames that are compared
SAME = 18  # different bits of frames in a shared stretch, at most on average
UNRELATED, DEVIATION = BITS / 2, 6.0  # different bits of frames of two operations
MIN_CHANGE = 3  # bits by which a frame must differ from the one before to be new evidence
MIN_FRAMES = 8  # in a shared stretch
MIN_EVIDENCE = 8.5  # standard deviations below chance, over the frames that are new evidence
SAME_SPEED = 0.02  # relative difference of lengths that other readings of the same file may have
MIN_SHARED = 0.8  # of a recording, where another speed is assumed
MAX_WORK = 2**18  # pairs of frames that are compared; of more, frames of the shorter are left out

Distances = Float[np.ndarray, "n m"]  # different bits of each frame of one and of the other


class Match(NamedTuple):
    """How one recording shows the same as another."""

    mirrored: str  # "" or a key of MIRRORS
    shift: float  # seconds from a time of the one to the same frame in the other
    stretched: float  # how many times as long the other is, if its frame rate is another
    frames: int  # that were compared
    bits: float  # of BITS that differ, mean of these frames
    evidence: float  # standard deviations below chance

    def __str__(self) -> str:
        parts = [self.mirrored] if self.mirrored else []
        if abs(self.shift) >= MAX_APART:
            parts.append(f"{abs(self.shift):.1f} s {'earlier' if self.shift < 0 else 'later'}")
        if self.stretched != 1:
            parts.append(f"{self.stretched:.3g} times as long")
        parts.append(f"{self.frames} frames differ in {self.bits:.1f} of {BITS} bits")
        return ", ".join(parts)


def compare(one: Fingerprint, other: Fingerprint) -> Match | None:
    """How `other` shows the same as `one`, perhaps mirrored, later, or in part; None: not.

    A recording without change, or with fewer than 8 frames that show something, matches none.
    """
    one, other = _within_work(one, other)
    if min(len(one.times), len(other.times)) < MIN_FRAMES:
        return None
    found = [
        match
        for mirrored, distances in _distances(one, other)
        for match in _matches(one, other, distances, mirrored)
    ]
    return max(found, key=lambda match: match.evidence, default=None)


def thinning(fewer: int, more: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """The step at which frames are compared of a recording, the one with fewer frames of each pair.

    `more`: the frames of others. 1 is every frame, 2 every second.
    """
    return -(-fewer // np.maximum(MAX_WORK // more, 1))


def _within_work(one: Fingerprint, other: Fingerprint) -> tuple[Fingerprint, Fingerprint]:
    """Both, of which the one with fewer frames is thinned where there are too many pairs."""
    fewer, more = sorted((len(one.times), len(other.times)))
    (step,) = thinning(fewer, np.array([max(more, 1)])).tolist()
    if len(one.times) == fewer:
        return one.every(step), other
    return one, other.every(step)


def _distances(one: Fingerprint, other: Fingerprint) -> Iterator[tuple[str, Distances]]:
    """The different bits of all pairs of frames, by how the other is mirrored."""
    left, right = (signs_of(each.hashes).astype(np.float32) for each in (one, other))
    for mirrored, signs in MIRRORS.items():
        distances = np.empty((len(left), len(right)), np.float32)
        multiply(left * signs, right, distances)
        distances -= BITS
        distances *= -0.5
        yield mirrored, distances


def _matches(
    one: Fingerprint, other: Fingerprint, distances: Distances, mirrored: str
) -> Iterator[Match]:
    rows, columns = np.nonzero(distances <= NEAR)
    if len(np.unique(rows)) < MIN_VOTES or len(np.unique(columns)) < MIN_VOTES:
        return
    for shift in _likely_shifts(other.times[columns] - one.times[rows]):
        for near_by in np.arange(-SHIFT_BIN, SHIFT_BIN + 0.01, SHIFT_BIN / 2):
            match = _at(one, other, distances, shift + near_by)
            if match is not None:
                yield match._replace(mirrored=mirrored)
    spans = [each.times[-1] - each.times[0] for each in (one, other)]
    if min(spans) > 0 and abs(spans[1] / spans[0] - 1) > SAME_SPEED:
        # a folder of frames whose rate nobody knows: all of it, at another speed
        speed = spans[0] / spans[1]
        scaled = (other.times - other.times[0]) * speed + one.times[0]
        match = _at(one, other._replace(times=scaled), distances, 0.0)
        if match is not None and match.frames >= MIN_SHARED * min(map(len, (one[0], other[0]))):
            yield match._replace(mirrored=mirrored, stretched=float(1 / speed))


def _likely_shifts(shifts: Float[np.ndarray, " n"]) -> list[float]:
    """Centres of the pairs of neighbouring bins with the most votes."""
    bins, votes = np.unique(np.floor(shifts / SHIFT_BIN).astype(np.int64), return_counts=True)
    following = np.append(np.where(np.diff(bins) == 1, votes[1:], 0), 0)
    both = votes + following
    best = np.argsort(-both, kind="stable")[:SHIFTS]
    return [float(bins[n] + 1) * SHIFT_BIN for n in best if both[n] >= MIN_VOTES]


def _at(one: Fingerprint, other: Fingerprint, distances: Distances, shift: float) -> Match | None:
    """The longest stretch at a shift in which the two show the same, if it is evidence enough."""
    if len(one.times) > len(other.times):
        match = _at(other, one, distances.T, -shift)
        return None if match is None else match._replace(shift=-match.shift)
    wanted = one.times + shift
    following = np.clip(np.searchsorted(other.times, wanted), 1, len(other.times) - 1)
    is_before = wanted - other.times[following - 1] < other.times[following] - wanted
    nearest = following - is_before
    (rows,) = np.nonzero(np.abs(other.times[nearest] - wanted) <= MAX_APART)
    differing = distances[rows, nearest[rows]]
    begin, end = _best_stretch(SAME - differing)
    if end - begin < MIN_FRAMES:
        return None
    bits = float(differing[begin:end].mean())
    evidence = (UNRELATED - bits) / DEVIATION * _changes(one, rows[begin:end], bits) ** 0.5
    if evidence < MIN_EVIDENCE:
        return None
    return Match("", shift, 1.0, int(end - begin), bits, evidence)


def _best_stretch(gains: Float[np.ndarray, " n"]) -> tuple[int, int]:
    """Begin and end of the stretch with the largest sum."""
    sums = np.concatenate([[0.0], np.cumsum(gains)])
    gained = sums - np.minimum.accumulate(sums)
    end = int(np.argmax(gained))
    return int(np.argmin(sums[: end + 1])), end


def _changes(one: Fingerprint, rows: Int64[np.ndarray, " n"], bits: float) -> int:
    """How many of the frames differ clearly from the one before them that was counted."""
    signs = signs_of(one.hashes[rows]).astype(np.float32)
    own = (BITS - signs @ signs.T) / 2
    limit, counted = max(MIN_CHANGE, 2 * bits), [0]
    for n in range(1, len(rows)):
        if own[counted[-1], n] > limit:
            counted.append(n)
    return len(counted)
