"""Metrics of phase recognition on one recording, with strict or relaxed boundaries.

A phase that is absent from the truth of a recording is NaN there, and skipped in every mean.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64

from finetune.evaluation.sample_metrics import LabelledScores

Boundaries = Literal["strict", "relaxed", "relaxed_published"]
RELAXED_SECONDS = 10.0


class Tolerance(NamedTuple):
    """Differences (predicted minus true phase) that are accepted near a boundary."""

    late: tuple[int, ...] = (-1,)  # after the start of a segment
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


class PhaseCounts(NamedTuple):
    """Timestamps of one phase in one recording."""

    correct: int
    true: int
    predicted: int
    union: int  # true or predicted


class PhaseMeasure(NamedTuple):
    """A measure of one phase of one recording."""

    function: Callable[[PhaseCounts], float]
    needs_prediction: bool = False
    """Undefined where the phase was never predicted. `relaxed_published` skips it there; the other
    forms use the function's value."""


def precision(counts: PhaseCounts) -> float:
    """0 where the phase was never predicted."""
    return min(1.0, counts.correct / counts.predicted) if counts.predicted else 0.0


def recall(counts: PhaseCounts) -> float:
    return min(1.0, counts.correct / counts.true)


def jaccard(counts: PhaseCounts) -> float:
    return min(1.0, counts.correct / counts.union)


def f1(counts: PhaseCounts) -> float:
    p, r = precision(counts), recall(counts)
    return 2 * p * r / (p + r) if p + r else 0.0


PHASE_MEASURES: dict[str, PhaseMeasure] = {
    "precision": PhaseMeasure(precision, needs_prediction=True),
    "recall": PhaseMeasure(recall),
    "jaccard": PhaseMeasure(jaccard),
    "f1": PhaseMeasure(f1),
}


class PhaseScores(NamedTuple):
    """Of one recording, in shares of 1."""

    accuracy: float
    by_phase: dict[str, Float[np.ndarray, " c"]]  # by measure; NaN where the truth lacks the phase
    predicted: Bool[np.ndarray, " c"]  # whether the phase was predicted at all


def score_phases(
    truth: Int64[np.ndarray, " n"],
    predicted: Int64[np.ndarray, " n"],
    classes: int,
    boundaries: Boundaries = "strict",
    times: Float[np.ndarray, " n"] | None = None,
    tolerances: Mapping[int, Tolerance] = TOLERANCES["neighbours"],
) -> PhaseScores:
    """`times`: of the labels, in seconds, ascending; None: one per second.

    With relaxed boundaries, a timestamp that is correct by tolerance counts as correct for its true
    and for its predicted phase, and measures are clipped to 1.
    """
    correct = truth == predicted
    if boundaries != "strict":
        times = np.arange(len(truth), dtype=float) if times is None else times
        published = boundaries == "relaxed_published"
        correct = _relaxed(truth, predicted, times, tolerances, published)
    by_phase = {name: np.full(classes, np.nan) for name in PHASE_MEASURES}
    was_predicted = np.zeros(classes, dtype=bool)
    for phase in range(classes):
        is_true, is_predicted = truth == phase, predicted == phase
        was_predicted[phase] = is_predicted.any()
        if is_true.any():
            union = is_true | is_predicted
            sums = (correct & union, is_true, is_predicted, union)
            counts = PhaseCounts(*(int(each.sum()) for each in sums))
            for name, measure in PHASE_MEASURES.items():
                by_phase[name][phase] = measure.function(counts)
    return PhaseScores(float(correct.mean()), by_phase, was_predicted)


def phase_accuracy(samples: LabelledScores) -> float:
    """Share of the timestamps of a recording whose phase is correct."""
    return float((samples.label == samples.scores.argmax(1)).mean())


def phase_jaccard(samples: LabelledScores) -> float:
    """Mean Jaccard index of the phases that are in the truth of a recording."""
    predicted = samples.scores.argmax(1).astype(np.int64)
    scores = score_phases(samples.label, predicted, samples.num_classes)
    return float(np.nanmean(scores.by_phase["jaccard"]))


def _relaxed(
    truth: Int64[np.ndarray, " n"],
    predicted: Int64[np.ndarray, " n"],
    times: Float[np.ndarray, " n"],
    tolerances: Mapping[int, Tolerance],
    published: bool,
) -> Bool[np.ndarray, " n"]:
    """Correct timestamps, where the neighbouring phase is accepted near the true boundaries.

    `published`: reproduces an error of the widespread evaluation code, which tests the end of a
    segment and accepts at its start (described by Funke et al., arXiv 2305.13961).
    """
    correct = np.zeros(len(truth), dtype=bool)
    for start, end in _segments(truth):
        tolerance = tolerances.get(int(truth[start]), NEIGHBOURS)
        difference = (predicted - truth)[start:end]
        since, until = times[start:end] - times[start], times[end - 1] - times[start:end]
        # 1e-6 absorbs the rounding of timestamps
        head = np.flatnonzero(since < RELAXED_SECONDS - 1e-6)
        tail = np.flatnonzero(until < RELAXED_SECONDS - 1e-6)
        difference[head[np.isin(difference[head], tolerance.late)]] = 0
        accepted = np.isin(difference[tail], tolerance.early)
        difference[(tail - tail[0] if published else tail)[accepted]] = 0
        correct[start:end] = difference == 0
    return correct


def _segments(truth: Int64[np.ndarray, " n"]) -> Iterator[tuple[int, int]]:
    """Start and end of every segment of one phase."""
    changes = np.flatnonzero(np.diff(truth)) + 1
    return pairwise([0, *changes.tolist(), len(truth)])
