"""Metrics of samples against their definitions and scikit-learn's."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score

from finetune.evaluation.compute_metrics import compute_metrics, labelled_scores
from finetune.evaluation.predictions import Predictions
from finetune.evaluation.sample_metrics import confusion_matrix


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


def test_metrics_of_single_labels() -> None:
    given = predictions(7)
    metrics, confusion = compute_metrics(given).samples, confusion_matrix(labelled_scores(given))
    chosen = given.scores.argmax(1)
    assert metrics["top-1"] == pytest.approx((chosen == given.label).mean())
    by_class = [(chosen == given.label)[given.label == c].mean() for c in range(7)]
    assert metrics["mean class accuracy"] == pytest.approx(np.mean(by_class))
    assert metrics["F1 macro"] == pytest.approx(f1_score(given.label, chosen, average="macro"))
    best = np.argsort(-given.scores, axis=1)[:, :5]
    assert metrics["top-5"] == pytest.approx((best == given.label[:, None]).any(1).mean())
    expected = [average_precision_score(given.label == c, given.scores[:, c]) for c in range(7)]
    assert metrics["mAP"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert metrics["chance"] == pytest.approx(1 / 7)
    assert metrics["majority class"] == pytest.approx(np.bincount(given.label).max() / 200)
    assert confusion.sum() == 200 and np.trace(confusion) == (chosen == given.label).sum()


def test_an_absent_class_is_left_out_of_means() -> None:
    given = predictions(5, absent=2)
    metrics = compute_metrics(given).samples
    chosen = given.scores.argmax(1)
    by_class = [(chosen == given.label)[given.label == c].mean() for c in (0, 1, 3, 4)]
    assert metrics["mean class accuracy"] == pytest.approx(np.mean(by_class))
    present = np.unique(given.label)
    assert 2 in chosen and 2 not in present
    f1 = f1_score(given.label, chosen, labels=present, average="macro")
    assert metrics["F1 macro"] == pytest.approx(f1)
    expected = [average_precision_score(given.label == c, given.scores[:, c]) for c in present]
    assert metrics["mAP"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert np.isfinite(list(metrics.values())).all()
    assert "top-5" not in metrics


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_class_that_nobody_has_changes_no_metric_but_chance(multi_label: bool) -> None:
    given = predictions(5, absent=2)
    if multi_label:
        given = given._replace(label=np.eye(5, dtype=np.int64)[given.label])
    scores = np.hstack([given.scores, np.zeros((200, 1), np.float32)])
    label = given.label
    if multi_label:
        label = np.hstack([label, np.zeros((200, 1), np.int64)])
    more = given._replace(scores=scores, label=label, classes=(*given.classes, "never"))
    before, after = compute_metrics(given).all, compute_metrics(more).all
    about_classes = {"chance", "share of positives", "top-5"}
    same = before.keys() - about_classes
    assert {"F1 macro", "mAP"} <= same
    assert {name: after[name] for name in same} == pytest.approx(
        {name: before[name] for name in same}
    )


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
    with_missing = given._replace(label=label)
    assert compute_metrics(with_missing).all == compute_metrics(part).all


def test_metrics_of_multi_label_samples_leave_out_missing_labels() -> None:
    rng = np.random.default_rng(1)
    given = predictions(4)
    label = (rng.random((200, 4)) < 0.3).astype(np.int64)
    label[:, 3] = 0  # never there
    label[::5, 1] = -1
    values = compute_metrics(given._replace(label=label))
    metrics = values.samples
    assert not values.recordings and "top-1" not in metrics
    known = label[:, 1] >= 0
    expected = [
        average_precision_score(label[:, 0], given.scores[:, 0]),
        average_precision_score(label[known, 1], given.scores[known, 1]),
        average_precision_score(label[:, 2], given.scores[:, 2]),
    ]
    assert metrics["mAP"] == pytest.approx(np.mean(expected), abs=1e-6)
    chosen = given.scores > 0.5
    by_class = [f1_score(label[label[:, c] >= 0, c], chosen[label[:, c] >= 0, c]) for c in range(3)]
    assert metrics["F1 macro"] == pytest.approx(np.mean(by_class))
    assert metrics["share of positives"] == pytest.approx((label == 1).sum() / (label >= 0).sum())


def test_balanced_accuracy_is_scikit_learns_of_each_recording() -> None:
    """Recordings lack classes, and predictions have classes that a recording lacks."""
    given = predictions(5, samples=240)
    names = np.repeat(["a", "b", "c"], 80)
    label = given.label.copy()
    label[:80] %= 2
    label[80:160][label[80:160] == 3] = 4
    label[200:210] = -1
    given = given._replace(recording=names, label=label)
    average = compute_metrics(given).recordings["balanced accuracy"]
    chosen, known = given.scores.argmax(1), label >= 0
    by_recording = []
    for name in "abc":
        rows = known & (names == name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of predicted classes that the truth lacks
            by_recording.append(balanced_accuracy_score(label[rows], chosen[rows]))
    assert len(set(by_recording)) == 3
    assert average.value == pytest.approx(np.mean(by_recording))
    assert average.deviation == pytest.approx(np.std(by_recording, ddof=1))
    assert average.low < average.value < average.high
