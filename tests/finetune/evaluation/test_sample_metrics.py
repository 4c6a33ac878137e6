"""Figures of all samples together, against their definitions and scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from finetune.evaluation.predictions import Predictions
from finetune.evaluation.sample_metrics import score_samples


def predictions(classes: int, samples: int = 200, absent: int | None = None) -> Predictions:
    rng = np.random.default_rng(0)
    label = rng.integers(classes, size=samples)
    if absent is not None:
        label[label == absent] = (absent + 1) % classes
    scores = rng.random((samples, classes)) + 0.7 * np.eye(classes)[label]
    scores = (scores / scores.sum(1, keepdims=True)).astype(np.float32)
    names = np.array(["a"] * samples)
    return Predictions(
        names, np.full(samples, np.nan), scores, label, tuple(map(str, range(classes))), {}
    )


def test_figures_of_single_labels() -> None:
    given = predictions(7)
    figures, confusion = score_samples(given)
    chosen = given.scores.argmax(1)
    assert figures["top-1"] == pytest.approx((chosen == given.label).mean())
    by_class = [(chosen == given.label)[given.label == c].mean() for c in range(7)]
    assert figures["mean class accuracy"] == pytest.approx(np.mean(by_class))
    assert figures["F1 macro"] == pytest.approx(f1_score(given.label, chosen, average="macro"))
    best = np.argsort(-given.scores, axis=1)[:, :5]
    assert figures["top-5"] == pytest.approx((best == given.label[:, None]).any(1).mean())
    expected = [average_precision_score(given.label == c, given.scores[:, c]) for c in range(7)]
    assert figures["mAP"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert figures["chance"] == pytest.approx(1 / 7)
    assert figures["commonest class"] == pytest.approx(np.bincount(given.label).max() / 200)
    assert confusion.sum() == 200 and np.trace(confusion) == (chosen == given.label).sum()


def test_an_absent_class_is_left_out_of_means() -> None:
    given = predictions(5, absent=2)
    figures, _ = score_samples(given)
    chosen = given.scores.argmax(1)
    by_class = [(chosen == given.label)[given.label == c].mean() for c in (0, 1, 3, 4)]
    assert figures["mean class accuracy"] == pytest.approx(np.mean(by_class))
    assert np.isfinite(list(figures.values())).all()
    assert "top-5" not in figures


def test_samples_without_a_label_count_nowhere() -> None:
    given = predictions(6)
    label = given.label.copy()
    label[50:] = -1
    part = given._replace(
        recording=given.recording[:50],
        time=given.time[:50],
        scores=given.scores[:50],
        label=given.label[:50],
    )
    assert score_samples(given._replace(label=label)).figures == score_samples(part).figures


def test_figures_of_many_labels_leave_out_those_not_known() -> None:
    rng = np.random.default_rng(1)
    given = predictions(4)
    label = (rng.random((200, 4)) < 0.3).astype(np.int64)
    label[:, 3] = 0  # never there
    label[::5, 1] = -1
    figures, confusion = score_samples(given._replace(label=label))
    assert confusion is None
    known = label[:, 1] >= 0
    expected = [
        average_precision_score(label[:, 0], given.scores[:, 0]),
        average_precision_score(label[known, 1], given.scores[known, 1]),
        average_precision_score(label[:, 2], given.scores[:, 2]),
    ]
    assert figures["mAP"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert figures["share of positives"] == pytest.approx((label == 1).sum() / (label >= 0).sum())
