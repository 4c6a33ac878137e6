"""Averages over recordings, with their deviation and a bootstrap confidence interval."""

import warnings
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

RESAMPLES = 1000
MOST_DRAWN = 10_000_000  # recordings that are drawn at once, which bounds the memory


class Average(NamedTuple):
    """A metric of several recordings, in shares of 1."""

    value: float
    deviation: float  # over recordings, of a sample (n - 1); NaN where it has no meaning
    low: float  # 95 % confidence interval: recordings are drawn again; NaN where there is only one
    high: float


Order = Literal["recordings_first", "phases_first"]


def average(
    table: Float[np.ndarray, "r c"], order: Order = "recordings_first", seed: int = 0
) -> Average:
    """The mean of a table of recordings by classes, without its NaN.

    `recordings_first`: the mean over the classes of each recording, then over the recordings.
    `phases_first`: the mean over the recordings of each class, then over the classes.
    """
    by_recording = nanmean(table, 1)
    if np.isfinite(by_recording).sum() < 2:
        nan = float("nan")
        return Average(float(_mean(table, order)), nan, nan, nan)
    count, rng = len(table), np.random.default_rng(seed)
    at_once = min(RESAMPLES, max(1, MOST_DRAWN // count))
    sizes = [min(at_once, RESAMPLES - first) for first in range(0, RESAMPLES, at_once)]
    means = [_mean(table[rng.integers(count, size=(size, count))], order) for size in sizes]
    low, high = np.nanpercentile(np.concatenate(means), [2.5, 97.5])
    has_deviation = order == "recordings_first"
    deviation = float(np.nanstd(by_recording, ddof=1)) if has_deviation else float("nan")
    return Average(float(_mean(table, order)), deviation, float(low), float(high))


def _mean(table: Float[np.ndarray, "*x r c"], order: Order) -> np.ndarray:
    return nanmean(nanmean(table, -1 if order == "recordings_first" else -2), -1)


def nanmean(values: np.ndarray, axis: int) -> np.ndarray:
    """NaN where there is nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class that none of the drawn recordings has
        return np.asarray(np.nanmean(values, axis=axis))
