"""Random subsets of an exact size, drawn for each sample by its own random generator."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int


def choose(
    units: int, count: int, rngs: Sequence[np.random.Generator]
) -> Bool[np.ndarray, "b units"]:
    """True for `count` of the `units` of each sample; all subsets are equally likely."""
    noise = np.empty((len(rngs), units))
    for row, rng in zip(noise, rngs, strict=True):
        rng.random(out=row)
    indices = np.argpartition(noise, count - 1, axis=1)[:, :count]
    chosen = np.zeros((len(rngs), units), dtype=bool)
    np.put_along_axis(chosen, indices, True, axis=1)
    return chosen


def flip_to_count(
    chosen: Bool[np.ndarray, "b n"],
    count: int,
    rngs: Sequence[np.random.Generator],
    among: Bool[np.ndarray, "b n"] | None = None,
) -> Bool[np.ndarray, "b n"]:
    """Flips as few tokens as possible, drawn at random, until every sample has `count` chosen ones.

    Counts and flips only the tokens that are True in `among` (default: all). A sample that already
    has this count is unchanged and uses no random numbers. Raises ValueError if a sample has fewer
    than `count` tokens to choose from.
    """
    surplus = tokens_in(chosen if among is None else chosen & among) - count
    flipped = chosen.copy()
    for sample in np.flatnonzero(surplus).tolist():
        wrong = chosen[sample] == (surplus[sample] > 0)
        candidates = np.flatnonzero(wrong if among is None else wrong & among[sample])
        if len(candidates) < abs(surplus[sample]):
            raise ValueError(f"count {count} is more than the tokens of sample {sample}")
        flips = rngs[sample].choice(candidates, size=abs(surplus[sample]), replace=False)
        flipped[sample, flips] ^= True
    return flipped


def tokens_in(chosen: Bool[np.ndarray, "b n"]) -> Int[np.ndarray, " b"]:
    """Number of True tokens in each sample."""
    # summing bytes takes half the time of summing booleans
    return chosen.view(np.uint8).sum(axis=1, dtype=np.int32)


def indices_of(chosen: Bool[np.ndarray, "b n"], count: int) -> Int[np.ndarray, "b k"]:
    """Ascending indices of the True tokens, of which every sample has `count`."""
    samples, tokens = chosen.shape
    # flatnonzero and a subtraction take a quarter of the time of a two-dimensional nonzero
    indices = np.flatnonzero(chosen).reshape(samples, count)
    indices -= tokens * np.arange(samples)[:, None]
    return indices
