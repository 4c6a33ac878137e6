"""Metrics of features: effective rank and standard deviation (collapse), and k-NN accuracy."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

from encoder.knn import votes

EPSILON = 1e-7  # as in RankMe, equation 1


def rankme(features: Float[Tensor, "n d"]) -> float:
    """Effective rank: 1 where all features lie on a line, at most the smaller of n and d.

    RankMe (Garrido et al., ICML 2023), equation 1: the exponential of the entropy of the singular
    values.
    """
    values = torch.linalg.svdvals(features.double())
    shares = values / values.sum() + EPSILON
    return float((-shares * shares.log()).sum().exp())


def feature_std(features: Float[Tensor, "n d"]) -> float:
    """0 where all features are equal (collapse), 1 where they spread evenly in all directions.

    SimSiam (Chen and He, CVPR 2021), section 4.1: the standard deviation of L2-normalised features,
    mean over the d channels, times the square root of d.
    """
    deviation = normalize(features.double(), dim=1).std(dim=0, unbiased=False)
    return float(deviation.mean() * features.shape[1] ** 0.5)


class ProbeResult(NamedTuple):
    """Accuracies over the labelled clips."""

    accuracy: float  # of k-NN
    majority: float  # of predicting the most frequent class
    chance: float  # one over the number of classes


def knn_probe(
    features: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    recordings: Int64[Tensor, " n"],
    classes: int,
    k: int,
    temperature: float,
) -> ProbeResult:
    """Classifies each clip by its nearest neighbours in other recordings, never in its own."""
    unit = normalize(features.float(), dim=1)
    cosines = unit @ unit.T
    cosines[recordings[:, None] == recordings] = -torch.inf
    predicted = votes(cosines, labels, classes, k, temperature).argmax(dim=1)
    accuracy = (predicted == labels).double().mean()
    majority = torch.bincount(labels, minlength=classes).max() / len(labels)
    return ProbeResult(float(accuracy), float(majority), 1 / classes)
