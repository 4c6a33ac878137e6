"""Averages over recordings: by their definition, in both orders, with their uncertainty."""

import json
from pathlib import Path

import numpy as np
import pytest

from finetune.evaluation.phase_metrics import CHOLEC80
from finetune.evaluation.predictions import Predictions
from finetune.evaluation.video_averages import summarise_phases

RECORDED = json.loads((Path(__file__).parent / "fixtures/public_phase.json").read_text())


def recorded() -> Predictions:
    """The recorded labels and predictions as in a file, out of order."""
    names, times, truth, predicted = [], [], [], []
    for i, video in enumerate(RECORDED["videos"]):
        names += [f"v{i}"] * len(video["gt"])
        times += range(len(video["gt"]))
        truth += video["gt"]
        predicted += video["pred"]
    order = np.random.default_rng(0).permutation(len(names))
    scores = np.eye(7, dtype=np.float32)[np.array(predicted)]
    return Predictions(
        np.array(names)[order],
        np.array(times, dtype=float)[order],
        scores[order],
        np.array(truth)[order],
        tuple("abcdefg"),
        {},
    )


def test_the_published_average_is_phases_first() -> None:
    summary = summarise_phases(recorded(), "relaxed_published", CHOLEC80)
    expected = RECORDED["expected"]["relaxed_matlab"]
    for name in ("precision", "recall", "jaccard"):
        assert 100 * summary.phases_first[name].value == pytest.approx(expected[name])
        assert 100 * summary.per_phase[name] == pytest.approx(expected[f"{name}_per_phase"])
    assert 100 * summary.accuracy.value == pytest.approx(expected["accuracy_mean"])
    assert 100 * summary.accuracy.deviation == pytest.approx(expected["accuracy_std_ddof1"])


def test_precision_of_a_phase_that_was_never_predicted_counts_here() -> None:
    strict = summarise_phases(recorded(), "strict")
    published = RECORDED["expected"]["unrelaxed"]["precision"]
    assert 100 * strict.phases_first["precision"].value <= published
    assert 100 * strict.phases_first["jaccard"].value == pytest.approx(
        RECORDED["expected"]["unrelaxed"]["jaccard"]
    )


def test_both_orders_agree_where_no_phase_is_missing_and_differ_where_one_is() -> None:
    truth = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    scores = np.eye(2, dtype=np.float32)[np.array([0, 1, 1, 1, 0, 0, 1, 0])]
    names, times = np.repeat(["a", "b"], 4), np.tile(np.arange(4.0), 2)
    full = summarise_phases(Predictions(names, times, scores, truth, ("x", "y"), {}), "strict")
    first, second = full.recordings_first["recall"], full.phases_first["recall"]
    assert first.value == pytest.approx(second.value)
    lacking = truth.copy()
    lacking[4:] = 0
    part = summarise_phases(Predictions(names, times, scores, lacking, ("x", "y"), {}), "strict")
    assert part.recordings_first["recall"].value == pytest.approx((0.75 + 0.75) / 2)
    assert part.phases_first["recall"].value == pytest.approx((0.625 + 1.0) / 2)


def test_intervals_contain_the_value_and_are_reproducible() -> None:
    one, two = (summarise_phases(recorded(), "strict") for _ in range(2))
    for average in (one.accuracy, *one.recordings_first.values(), *one.phases_first.values()):
        assert average.low <= average.value <= average.high
    assert one.accuracy == two.accuracy
    assert one.accuracy.low < one.accuracy.high


def test_timestamps_without_a_label_and_a_single_recording() -> None:
    given = recorded()
    rows = given.of_recording("v0")
    label = rows.label.copy()
    label[3:] = -1
    summary = summarise_phases(rows._replace(label=label), "strict")
    assert np.isnan(summary.accuracy[1:]).all(), "one recording has no deviation, no interval"
    assert list(summary.by_recording) == ["v0"]
