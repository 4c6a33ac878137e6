"""Figures of features: do they collapse, and do neighbours among them share a label?"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

from encoder.knn import votes

EPSILON = 1e-7  # of RankMe's equation


def rankme(features: Float[Tensor, "n d"]) -> float:
    """The effective rank: from 1, where all lie on a line, to the smaller of n and d.

    RankMe (Garrido et al., ICML 2023), equation 1: the exponential of the entropy of the singular
    values.
    """
    values = torch.linalg.svdvals(features.double())
    shares = values / values.sum() + EPSILON
    return float((-shares * shares.log()).sum().exp())


def feature_std(features: Float[Tensor, "n d"]) -> float:
    """From 0, where all features are one, to 1, where they lie evenly in all directions.

    SimSiam (Chen and He, CVPR 2021), section 4.1: the deviation of features of length 1, mean over
    the channels, times the root of their number.
    """
    deviation = normalize(features.double(), dim=1).std(dim=0, unbiased=False)
    return float(deviation.mean() * features.shape[1] ** 0.5)


class ProbeResult(NamedTuple):
    """Shares of the moments."""

    accuracy: float  # whose label the neighbours name
    majority: float  # that have the commonest label
    chance: float


def knn_probe(
    features: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    recordings: Int64[Tensor, " n"],
    classes: int,
    k: int,
    temperature: float,
) -> ProbeResult:
    """Each moment is told by the nearest of other recordings, never of its own."""
    unit = normalize(features.float(), dim=1)
    cosines = unit @ unit.T
    cosines[recordings[:, None] == recordings] = -torch.inf
    told = votes(cosines, labels, classes, k, temperature).argmax(dim=1)
    right = (told == labels).double().mean()
    commonest = torch.bincount(labels, minlength=classes).max() / len(labels)
    return ProbeResult(float(right), float(commonest), 1 / classes)
