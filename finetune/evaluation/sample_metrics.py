"""Metrics of all labelled samples together, by torchmetrics."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_average_precision,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multilabel_average_precision,
    multilabel_f1_score,
)

from finetune.evaluation.predictions import Predictions
from video.labels.segments import MISSING


class SampleScores(NamedTuple):
    """Figures by name, in shares of 1, and what they can be compared with."""

    figures: dict[str, float]
    confusion: Int64[np.ndarray, "c c"] | None  # rows: truth; None where there are many labels


def score_samples(predictions: Predictions) -> SampleScores:
    """A class that neither truth nor predictions have is left out of every mean over classes."""
    scores = torch.from_numpy(np.asarray(predictions.scores, dtype=np.float32))
    labels = torch.from_numpy(np.asarray(predictions.label, dtype=np.int64))
    if predictions.is_multi_label:
        return SampleScores(_many(scores, labels), None)
    known = labels != MISSING
    return _single(scores[known], labels[known])


def _single(scores: Float[Tensor, "n c"], labels: Int64[Tensor, " n"]) -> SampleScores:
    classes = scores.shape[1]
    counts = torch.bincount(labels, minlength=classes)
    with _without_warnings():
        precision = multiclass_average_precision(scores, labels, classes, average=None)
    figures = {
        "top-1": float(multiclass_accuracy(scores, labels, classes, average="micro")),
        "mean class accuracy": _class_accuracy(scores, labels, counts),
        "F1 macro": float(multiclass_f1_score(scores, labels, classes, average="macro")),
        "F1 micro": float(multiclass_f1_score(scores, labels, classes, average="micro")),
        "mAP": _mean(precision, counts > 0),
        "majority class": float(counts.max() / counts.sum()),
        "chance": 1 / classes,
    }
    if classes > 5:
        top = multiclass_accuracy(scores, labels, classes, average="micro", top_k=5)
        figures["top-5"] = float(top)
    confusion = multiclass_confusion_matrix(scores, labels, classes)
    return SampleScores(figures, confusion.numpy())


def _class_accuracy(
    scores: Float[Tensor, "n c"], labels: Int64[Tensor, " n"], counts: Int64[Tensor, " c"]
) -> float:
    by_class = multiclass_accuracy(scores, labels, len(counts), average=None)
    return _mean(by_class, counts > 0)


def _many(scores: Float[Tensor, "n c"], labels: Int64[Tensor, "n c"]) -> dict[str, float]:
    """Several labels a sample; those that are not known count nowhere."""
    classes = scores.shape[1]
    present = ((labels == 1).any(0)) & ((labels != MISSING).any(0))
    f1, micro = (
        multilabel_f1_score(scores, labels, classes, average=average, ignore_index=MISSING)
        for average in (None, "micro")
    )
    with _without_warnings():
        precision = multilabel_average_precision(
            scores, labels, classes, average=None, ignore_index=MISSING
        )
    return {
        "mAP": _mean(precision, present),
        "F1 macro": _mean(f1, present),
        "F1 micro": float(micro),
        "share of positives": float((labels == 1).sum() / (labels != MISSING).sum()),
    }


@contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes without a positive, which are left out here
        yield


def _mean(values: Float[Tensor, " c"], chosen: Tensor) -> float:
    return float(values[chosen].mean()) if bool(chosen.any()) else float("nan")
