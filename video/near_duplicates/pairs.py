"""Pairs of recordings that show the same, in one set or between two."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from video.near_duplicates.candidates import (
    Found,
    Stack,
    candidates_between,
    candidates_within,
)
from video.near_duplicates.fingerprint import Fingerprint, parse_fingerprint
from video.near_duplicates.match import MIN_FRAMES, Match, compare

MAX_PAIRS = 500_000  # of recordings that are compared; each takes up to 5 milliseconds
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
    pairs = len(known) * (len(known) - 1) // 2
    if too_many_pairs(pairs):
        return
    stack = Stack.of([fingerprint for _, fingerprint in known])
    candidates = _told(candidates_within(stack), pairs)
    by_second = sorted(candidates, key=lambda pair: (pair[1], pair[0]))
    yield from _matching([(known[one], known[other]) for one, other in by_second])


def similar_between(ones: Sequence[str], others: Sequence[str]) -> Iterator[SimilarPair]:
    """The pairs of one recording of each set; none where there are more than MAX_PAIRS."""
    first, second = (list(_comparable(each)) for each in (ones, others))
    pairs = len(first) * len(second)
    if too_many_pairs(pairs):
        return
    stacks = [Stack.of([fingerprint for _, fingerprint in each]) for each in (first, second)]
    candidates = sorted(_told(candidates_between(*stacks), pairs))
    yield from _matching([(first[one], second[other]) for one, other in candidates])


def _told(found: Found, pairs: int) -> list[tuple[int, int]]:
    """All candidates."""
    progress, candidates, done = _Progress(pairs, "pairs"), [], 0
    for compared, block in found:
        candidates += [(one, other) for one, other in block.tolist()]
        done += compared
        progress.tell(done)
    return candidates


def _matching(pairs: Sequence[tuple[Numbered, Numbered]]) -> Iterator[SimilarPair]:
    """The pairs that match."""
    progress = _Progress(len(pairs), "pairs that have similar frames")
    for done, ((one, first), (other, second)) in enumerate(pairs):
        progress.tell(done)
        if (match := compare(first, second)) is not None:
            yield SimilarPair(one, other, match)


class _Progress:
    """Tells every 10 seconds how many pairs are compared."""

    def __init__(self, pairs: int, what: str) -> None:
        self._of, self._told = f"of {pairs:,} {what}", time.monotonic()

    def tell(self, done: int) -> None:
        if time.monotonic() > self._told + PROGRESS_SECONDS:
            print(f"comparing recordings by look: {done:,} {self._of}", flush=True)
            self._told = time.monotonic()


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
