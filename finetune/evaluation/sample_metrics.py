"""Metrics of labelled samples, mostly by torchmetrics: of a whole part, or of one recording."""

import warnings
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_average_precision,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multilabel_average_precision,
    multilabel_f1_score,
)

from video.labels.segments import MISSING

CLASS_MEANS = "over the classes that the truth has; a class that is only predicted is left out"


class LabelledScores(NamedTuple):
    """What a metric is computed from: samples whose label is known, in the order of time."""

    scores: Float32[np.ndarray, "n c"]  # probabilities
    label: Int64[np.ndarray, "n ..."]  # class, or for each class 0, 1 or -1: not known
    time: Float[np.ndarray, " n"]  # seconds; NaN for whole clips

    @property
    def num_classes(self) -> int:
        return int(self.scores.shape[1])

    @property
    def is_multi_label(self) -> bool:
        return self.label.ndim == 2

    @property
    def tensors(self) -> tuple[Float[Tensor, "n c"], Tensor]:
        """Scores and labels as torchmetrics takes them."""
        return torch.from_numpy(self.scores), torch.from_numpy(self.label)

    @property
    def present(self) -> Tensor:
        """[c] whether the truth has a class. Every mean over classes is `CLASS_MEANS`."""
        label = torch.from_numpy(self.label)
        if self.is_multi_label:
            return (label == 1).any(0)
        return torch.bincount(label, minlength=self.num_classes) > 0


def top_1(samples: LabelledScores) -> float:
    """Share of samples whose class has the highest score."""
    scores, label = samples.tensors
    return float(multiclass_accuracy(scores, label, samples.num_classes, average="micro"))


def top_5(samples: LabelledScores) -> float:
    """Share of samples whose class has one of the five highest scores."""
    scores, label = samples.tensors
    accuracy = multiclass_accuracy(scores, label, samples.num_classes, average="micro", top_k=5)
    return float(accuracy)


def mean_class_accuracy(samples: LabelledScores) -> float:
    """Mean over the classes of the share of their samples that are classified correctly."""
    scores, label = samples.tensors
    return _mean(
        multiclass_accuracy(scores, label, samples.num_classes, average=None), samples.present
    )


def balanced_accuracy(samples: LabelledScores) -> float:
    """Mean recall of the classes that are in the truth (scikit-learn's balanced_accuracy_score)."""
    correct = samples.scores.argmax(1) == samples.label
    return float(np.mean([correct[samples.label == c].mean() for c in np.unique(samples.label)]))


def mean_average_precision(samples: LabelledScores) -> float:
    """Mean over the classes of the area under the precision-recall curve."""
    scores, label = samples.tensors
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes without a positive are left out here
        if samples.is_multi_label:
            precision = multilabel_average_precision(
                scores, label, samples.num_classes, average=None, ignore_index=MISSING
            )
        else:
            precision = multiclass_average_precision(
                scores, label, samples.num_classes, average=None
            )
    return _mean(precision, samples.present)


def f1_macro(samples: LabelledScores) -> float:
    """Mean over the classes of their F1."""
    scores, label = samples.tensors
    if samples.is_multi_label:
        f1 = multilabel_f1_score(
            scores, label, samples.num_classes, average=None, ignore_index=MISSING
        )
    else:
        f1 = multiclass_f1_score(scores, label, samples.num_classes, average=None)
    return _mean(f1, samples.present)


def f1_micro(samples: LabelledScores) -> float:
    """F1 of all decisions together."""
    scores, label = samples.tensors
    if samples.is_multi_label:
        f1 = multilabel_f1_score(
            scores, label, samples.num_classes, average="micro", ignore_index=MISSING
        )
        return float(f1)
    return float(multiclass_f1_score(scores, label, samples.num_classes, average="micro"))


def majority_class(samples: LabelledScores) -> float:
    """Accuracy of always predicting the most frequent class."""
    counts = torch.bincount(torch.from_numpy(samples.label))
    return float(counts.max() / counts.sum())


def chance(samples: LabelledScores) -> float:
    """Expected accuracy of a class drawn at random."""
    return 1 / samples.num_classes


def share_of_positives(samples: LabelledScores) -> float:
    """Share of the known labels that are positive: the mAP of random scores."""
    _, label = samples.tensors
    return float((label == 1).sum() / (label != MISSING).sum())


def confusion_matrix(samples: LabelledScores) -> Int64[np.ndarray, "c c"]:
    """Samples by true class (row) and predicted class (column)."""
    scores, label = samples.tensors
    return np.asarray(multiclass_confusion_matrix(scores, label, samples.num_classes).numpy())


def _mean(values: Float[Tensor, " c"], chosen: Tensor) -> float:
    return float(values[chosen].mean()) if bool(chosen.any()) else float("nan")
