"""Phase metrics of several recordings, averaged in both orders."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from finetune.evaluation.bootstrap import Average, average, nanmean
from finetune.evaluation.phase_metrics import (
    PHASE_MEASURES,
    TOLERANCES,
    Boundaries,
    PhaseScores,
    Tolerance,
    score_phases,
)
from finetune.evaluation.predictions import Predictions
from video.labels.segments import MISSING


class PhaseSummary(NamedTuple):
    """Phase metrics in both orders of averaging that are in use.

    `recordings_first`: the mean over the phases of each recording, then over recordings; it has a
    deviation over recordings. `phases_first`: the mean over recordings of each phase, then over
    phases, as in published tables. They differ where recordings lack phases.
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
    """Timestamps without a label are left out. A phase that was never predicted has precision 0;
    `relaxed_published` skips it instead, as the widespread evaluation code does."""
    by_recording = {}
    for name, rows in predictions.by_recording().items():
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
    tables = {name: np.stack([each.by_phase[name] for each in scores]) for name in PHASE_MEASURES}
    if boundaries == "relaxed_published":
        predicted = np.stack([each.predicted for each in scores])
        for name, measure in PHASE_MEASURES.items():
            if measure.needs_prediction:
                tables[name] = np.where(predicted, tables[name], np.nan)
    accuracies = np.array([each.accuracy for each in scores])[:, None]
    return PhaseSummary(
        boundaries,
        average(accuracies, seed=seed),
        {name: average(table, "recordings_first", seed) for name, table in tables.items()},
        {name: average(table, "phases_first", seed) for name, table in tables.items()},
        {name: nanmean(table, 0) for name, table in tables.items()},
        by_recording,
    )
