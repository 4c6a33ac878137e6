"""Metrics of phase recognition on one recording: strict, and with relaxed boundaries.

A phase that the truth of a recording has not is NaN there, and skipped in every mean.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64

Boundaries = Literal["strict", "relaxed", "relaxed_published"]
RELAXED_SECONDS = 10.0


class Tolerance(NamedTuple):
    """Differences (predicted minus true phase) that count as right near a boundary."""

    late: tuple[int, ...] = (-1,)  # behind the beginning of a segment
    early: tuple[int, ...] = (1,)  # before its end


NEIGHBOURS = Tolerance()
# Of Cholec80's evaluation (Twinanda et al., 2017, and its published MATLAB text), by phase from 0:
# dissection, packaging, cleaning and retraction may alternate.
CHOLEC80: Mapping[int, Tolerance] = {
    3: Tolerance(early=(1, 2)),
    4: Tolerance(early=(1, 2)),
    5: Tolerance((-1, -2), (1, 2)),
    6: Tolerance((-1, -2), (1, 2)),
}
TOLERANCES: dict[str, Mapping[int, Tolerance]] = {"neighbours": {}, "cholec80": CHOLEC80}


class PhaseScores(NamedTuple):
    """Of one recording, in shares of 1; NaN for phases that are not in its truth."""

    accuracy: float
    precision: Float[np.ndarray, " c"]  # 0 where the phase was never predicted
    recall: Float[np.ndarray, " c"]
    jaccard: Float[np.ndarray, " c"]
    f1: Float[np.ndarray, " c"]
    predicted: Bool[np.ndarray, " c"]  # whether the phase was predicted at all


def score_phases(
    truth: Int64[np.ndarray, " n"],
    predicted: Int64[np.ndarray, " n"],
    classes: int,
    boundaries: Boundaries = "strict",
    times: Float[np.ndarray, " n"] | None = None,
    tolerances: Mapping[int, Tolerance] = TOLERANCES["neighbours"],
) -> PhaseScores:
    """`times`: of the labels, in seconds, ascending; one a second where None.

    With relaxed boundaries, what is right by tolerance counts as found for each phase that the
    moment belongs to by truth or prediction, and shares end at 1.
    """
    right = truth == predicted
    if boundaries != "strict":
        times = np.arange(len(truth), dtype=float) if times is None else times
        published = boundaries == "relaxed_published"
        right = _relaxed(truth, predicted, times, tolerances, published)
    scores = np.full((4, classes), np.nan)
    seen = np.zeros(classes, dtype=bool)
    for phase in range(classes):
        of_truth, of_prediction = truth == phase, predicted == phase
        seen[phase] = of_prediction.any()
        if of_truth.any():
            found = int((right & (of_truth | of_prediction)).sum())
            either = int((of_truth | of_prediction).sum())
            precision = min(1.0, found / int(of_prediction.sum())) if seen[phase] else 0.0
            recall = min(1.0, found / int(of_truth.sum()))
            f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
            scores[:, phase] = precision, recall, min(1.0, found / either), f1
    return PhaseScores(float(right.mean()), scores[0], scores[1], scores[2], scores[3], seen)


def _relaxed(
    truth: Int64[np.ndarray, " n"],
    predicted: Int64[np.ndarray, " n"],
    times: Float[np.ndarray, " n"],
    tolerances: Mapping[int, Tolerance],
    published: bool,
) -> Bool[np.ndarray, " n"]:
    """What counts as right where the neighbouring phase is accepted near the truth's boundaries.

    `published`: as the widespread evaluation does it, which looks at the end of a segment and
    forgives at its beginning (described by Funke et al., arXiv 2305.13961).
    """
    right = np.zeros(len(truth), dtype=bool)
    for begin, end in _segments(truth):
        tolerance = tolerances.get(int(truth[begin]), NEIGHBOURS)
        difference = (predicted - truth)[begin:end]
        behind, before = times[begin:end] - times[begin], times[end - 1] - times[begin:end]
        # the smallest fraction of a second is the rounding of a time stamp
        head = np.flatnonzero(behind < RELAXED_SECONDS - 1e-6)
        tail = np.flatnonzero(before < RELAXED_SECONDS - 1e-6)
        difference[head[np.isin(difference[head], tolerance.late)]] = 0
        forgiven = np.isin(difference[tail], tolerance.early)
        difference[(tail - tail[0] if published else tail)[forgiven]] = 0
        right[begin:end] = difference == 0
    return right


def _segments(truth: Int64[np.ndarray, " n"]) -> Iterator[tuple[int, int]]:
    """Beginning and end of every stretch of one phase."""
    changes = np.flatnonzero(np.diff(truth)) + 1
    return pairwise([0, *changes.tolist(), len(truth)])
