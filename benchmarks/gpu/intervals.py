"""Intervals of time on a device."""

from collections.abc import Iterable

Interval = tuple[float, float]  # begin and end


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The same times as intervals that are apart, in order."""
    merged: list[Interval] = []
    for begin, end in sorted(intervals):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def length(apart: Iterable[Interval]) -> float:
    return sum(end - begin for begin, end in apart)


def shared(one: Iterable[Interval], other: Iterable[Interval]) -> list[Interval]:
    """The times that lie in both."""
    others = union(other)
    cut = (
        (max(begin, first), min(end, last)) for begin, end in union(one) for first, last in others
    )
    return [(begin, end) for begin, end in cut if begin < end]
