"""Phase metrics against recorded numbers, and by their definition."""

import json
from pathlib import Path

import numpy as np
import pytest

from finetune.evaluation.phase_metrics import CHOLEC80, PhaseScores, score_phases

RECORDED = json.loads((Path(__file__).parent / "fixtures/public_phase.json").read_text())
FORMS = {"unrelaxed": "strict", "relaxed_matlab": "relaxed_published", "relaxed_fixed": "relaxed"}


def recorded_scores(boundaries: str) -> list[PhaseScores]:
    return [
        score_phases(
            np.array(video["gt"]), np.array(video["pred"]), 7, boundaries, tolerances=CHOLEC80
        )
        for video in RECORDED["videos"]
    ]


@pytest.mark.parametrize("form", FORMS)
def test_scores_are_the_recorded_ones(form: str) -> None:
    scores, expected = recorded_scores(FORMS[form]), RECORDED["expected"][form]
    accuracies = [100 * each.accuracy for each in scores]
    assert np.mean(accuracies) == pytest.approx(expected["accuracy_mean"])
    assert np.std(accuracies, ddof=1) == pytest.approx(expected["accuracy_std_ddof1"])
    for name in ("jaccard", "precision", "recall"):
        values = np.stack([each.by_phase[name] for each in scores])
        if name == "precision":  # the published convention skips what was never predicted
            values = np.where(np.stack([each.predicted for each in scores]), values, np.nan)
        per_phase = 100 * np.nanmean(values, axis=0)
        assert per_phase == pytest.approx(expected[f"{name}_per_phase"], abs=1e-6)
        assert per_phase.mean() == pytest.approx(expected[name])


def test_a_phase_that_is_absent_from_the_truth_is_skipped() -> None:
    scores = score_phases(np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1]), 3)
    assert scores.accuracy == 0.75
    recall, precision = scores.by_phase["recall"], scores.by_phase["precision"]
    assert np.isnan(recall[2]) and np.isnan(scores.by_phase["jaccard"][2])
    assert recall[:2].tolist() == [0.5, 1.0] and precision[0] == 1.0


def test_a_phase_that_was_never_predicted_has_precision_0() -> None:
    scores = score_phases(np.array([0, 0, 1]), np.array([0, 0, 0]), 2)
    assert [scores.by_phase[name][1] for name in ("precision", "recall", "f1")] == [0, 0, 0]
    assert scores.predicted.tolist() == [True, False]


@pytest.mark.parametrize(("off", "is_correct"), [(9, True), (11, False)])
def test_relaxed_boundaries_accept_ten_seconds(off: int, is_correct: bool) -> None:
    truth = np.repeat([0, 1, 2], 40)
    late = np.repeat([0, 1, 2], [40 + off, 40 - off, 40])
    early = np.repeat([0, 1, 2], [40, 40 - off, 40 + off])
    for predicted in (late, early):
        assert score_phases(truth, predicted, 3).accuracy == pytest.approx(1 - off / 120)
        relaxed = score_phases(truth, predicted, 3, "relaxed").accuracy
        assert (relaxed == 1) == is_correct


def test_the_published_form_accepts_at_the_wrong_end() -> None:
    """A phase that ends early is correct in the corrected form, and not in the published one."""
    truth, early = np.repeat([0, 1], 40), np.repeat([0, 1], [32, 48])
    assert score_phases(truth, early, 2, "relaxed").accuracy == 1
    assert score_phases(truth, early, 2, "relaxed_published").accuracy == 0.9


def test_the_tolerance_is_in_seconds() -> None:
    truth, late = np.repeat([0, 1], 400), np.repeat([0, 1], [490, 310])
    assert score_phases(truth, late, 2, "relaxed", times=np.arange(800) / 10).accuracy == 1
    assert score_phases(truth, late, 2, "relaxed").accuracy < 1
    sparse = np.array([0.0, 30.0, 60.0, 90.0])
    truth, late = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 0])
    assert score_phases(truth, late, 2, "relaxed", times=sparse).accuracy == 0.75
