"""Pairs of recordings that show the same, in one set or between two."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from video.near_duplicates.fingerprint import Fingerprint, parse_fingerprint
from video.near_duplicates.match import MIN_FRAMES, Match, compare

MAX_PAIRS = 200_000  # of recordings that are compared; each takes 1 to 10 milliseconds


PROGRESS_SECONDS = 10.0
Numbered = tuple[int, Fingerprint]  # a position in a set, and what is there


class SimilarPair(NamedTuple):
    """The positions of two recordings in their sets, and how the second shows the first."""

    one: int
    other: int
    match: Match


def similar_within(fingerprints: Sequence[str]) -> Iterator[SimilarPair]:
    """The pairs of one set, the earlier recording first; texts as in a manifest.

    None where there are more than MAX_PAIRS pairs; see `too_many_pairs`.
    """
    known = list(_comparable(fingerprints))
    if too_many_pairs(len(known) * (len(known) - 1) // 2):
        return
    pairs = [(one, other) for number, other in enumerate(known) for one in known[:number]]
    yield from _matching(pairs)


def similar_between(ones: Sequence[str], others: Sequence[str]) -> Iterator[SimilarPair]:
    """The pairs of one recording of each set; none where there are more than MAX_PAIRS."""
    known = list(_comparable(others))
    if too_many_pairs(len(ones) * len(known)):
        return
    yield from _matching([(one, other) for one in _comparable(ones) for other in known])


def _matching(pairs: Sequence[tuple[Numbered, Numbered]]) -> Iterator[SimilarPair]:
    """The pairs that match; what takes long is told every 10 seconds."""
    told = time.monotonic()
    for done, ((one, first), (other, second)) in enumerate(pairs):
        if time.monotonic() > told + PROGRESS_SECONDS:
            print(f"comparing recordings by look: {done:,} of {len(pairs):,} pairs", flush=True)
            told = time.monotonic()
        if (match := compare(first, second)) is not None:
            yield SimilarPair(one, other, match)


def too_many_pairs(pairs: int) -> str:
    """What to report where so many pairs are not compared; empty where they are."""
    if pairs <= MAX_PAIRS:
        return ""
    return (
        f"{pairs:,} pairs of recordings are too many to compare by look (up to {MAX_PAIRS:,}); "
        "they are compared by content only"
    )


def count_incomparable(fingerprints: Sequence[str]) -> int:
    """How many are empty, of another version, damaged, or of too few frames to compare."""
    return len(fingerprints) - sum(1 for _ in _comparable(fingerprints))


def _comparable(fingerprints: Sequence[str]) -> Iterator[Numbered]:
    for number, text in enumerate(fingerprints):
        try:
            fingerprint = parse_fingerprint(text) if text else None
        except ValueError:
            fingerprint = None
        if fingerprint is not None and len(fingerprint.times) >= MIN_FRAMES:
            yield number, fingerprint
