"""Phase metrics of several recordings: every average by its name, with its uncertainty."""

import warnings
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from finetune.evaluation.phase_metrics import (
    TOLERANCES,
    Boundaries,
    PhaseScores,
    Tolerance,
    score_phases,
)
from finetune.evaluation.predictions import Predictions
from video.labels.segments import MISSING

MEASURES = ("precision", "recall", "jaccard", "f1")
RESAMPLES = 1000


class Average(NamedTuple):
    """One figure of a set of recordings, in shares of 1."""

    value: float
    deviation: float  # over recordings, of a sample (n - 1); NaN where it has no meaning
    low: float  # 95 % of resampled sets of recordings lie between
    high: float


class PhaseSummary(NamedTuple):
    """What the field reports, in both orders of averaging.

    `recordings_first`: the mean over the phases of a recording, then over recordings, which has a
    deviation over recordings. `phases_first`: the mean over recordings of each phase, then over
    phases, as published tables have it. They differ where recordings lack phases.
    """

    boundaries: Boundaries
    accuracy: Average
    recordings_first: dict[str, Average]
    phases_first: dict[str, Average]
    per_phase: dict[str, Float[np.ndarray, " c"]]  # mean over recordings
    by_recording: dict[str, PhaseScores]


def summarise_phases(
    predictions: Predictions,
    boundaries: Boundaries,
    tolerances: Mapping[int, Tolerance] = TOLERANCES["neighbours"],
    seed: int = 0,
) -> PhaseSummary:
    """Moments without a label are left out. A phase that was never predicted has a precision of 0;
    `relaxed_published` skips it instead, as the widespread evaluation does."""
    by_recording = {}
    for name in dict.fromkeys(predictions.recording.tolist()):
        rows = predictions.of_recording(name)
        known = rows.label != MISSING
        if known.any():
            by_recording[name] = score_phases(
                rows.label[known],
                rows.scores[known].argmax(1).astype(np.int64),
                len(predictions.classes),
                boundaries,
                rows.time[known],
                tolerances,
            )
    scores = list(by_recording.values())
    tables = {name: np.stack([getattr(each, name) for each in scores]) for name in MEASURES}
    if boundaries == "relaxed_published":
        seen = np.stack([each.predicted for each in scores])
        tables["precision"] = np.where(seen, tables["precision"], np.nan)
    accuracies = np.array([each.accuracy for each in scores])[:, None]
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(scores), size=(RESAMPLES, len(scores)))
    return PhaseSummary(
        boundaries,
        _average(accuracies, draws, _recordings_first),
        {name: _average(table, draws, _recordings_first) for name, table in tables.items()},
        {name: _average(table, draws, _phases_first) for name, table in tables.items()},
        {name: _nanmean(table, 0) for name, table in tables.items()},
        by_recording,
    )


def _average(
    table: Float[np.ndarray, "r c"],
    draws: np.ndarray,
    mean: Callable[[Float[np.ndarray, "*x r c"]], np.ndarray],
) -> Average:
    """The figure, and where it lies when recordings are drawn again with replacement."""
    resampled = mean(table[draws])
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    by_recording = _nanmean(table, 1)
    alone = len(table) < 2 or mean is _phases_first
    deviation = float("nan") if alone else float(np.nanstd(by_recording, ddof=1))
    return Average(float(mean(table)), deviation, float(low), float(high))


def _recordings_first(table: Float[np.ndarray, "*x r c"]) -> np.ndarray:
    return _nanmean(_nanmean(table, -1), -1)


def _phases_first(table: Float[np.ndarray, "*x r c"]) -> np.ndarray:
    return _nanmean(_nanmean(table, -2), -1)


def _nanmean(values: np.ndarray, axis: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a phase that no recording drawn has
        return np.asarray(np.nanmean(values, axis=axis))
