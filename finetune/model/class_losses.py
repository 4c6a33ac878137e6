"""Cross-entropies of logits against hard or soft labels, with class weights."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from launch.errors import ConfigError
from video.labels.segments import MISSING


def class_weights(
    weights: str | tuple[float, ...], counts: Int64[Tensor, " k"], beta: float
) -> Float[Tensor, " k"]:
    """One weight per class, 1 on average; 0 for a class without samples.

    `counts`: labelled samples of each class in the training split. Raises ConfigError where a list
    has another length.
    """
    if isinstance(weights, tuple):
        if len(weights) != len(counts):
            raise ConfigError(
                f"loss.weights: {len(weights)} numbers for {len(counts)} classes; give one for each"
            )
        return torch.tensor(weights, dtype=torch.float32)
    if weights == "none":
        return torch.ones(len(counts))
    present = (counts > 0).float()
    number = counts.clamp(min=1).double()
    if weights == "balanced":  # equation 2 of Cui et al.: the effective number of samples
        number = (1 - beta**number) / (1 - beta)
    relative = (1 / number).float() * present
    return relative * present.sum() / relative.sum()


def cross_entropy(
    logits: Float[Tensor, "b k"],
    target: Tensor,
    weights: Float[Tensor, " k"],
    smoothing: float,
) -> Float[Tensor, ""]:
    """Weighted mean over samples. `target`: classes [b], -1 where missing, or shares [b k]."""
    weighted = share_weights(target, weights.to(logits), smoothing)
    total = -(weighted * F.log_softmax(logits, 1)).sum()
    return total / weighted.sum().clamp(min=torch.finfo(logits.dtype).tiny)


def share_weights(
    target: Tensor, weights: Float[Tensor, " k"], smoothing: float
) -> Float[Tensor, "b k"]:
    """The weight of each class of each sample in the cross-entropy; `target` as there."""
    if target.dtype == torch.int64:
        known = target != MISSING
        one_hot = F.one_hot(target.clamp(min=0), len(weights)).to(weights)
        shares = one_hot * known[:, None]
    else:
        shares = target.to(weights)
    count = shares.sum(1, keepdim=True)
    return (shares * (1 - smoothing) + smoothing * count / len(weights)) * weights


def binary_cross_entropy(
    logits: Float[Tensor, "b k"],
    target: Int64[Tensor, "b k"] | Float[Tensor, "b k"],
    weights: Float[Tensor, " k"],
    smoothing: float,
) -> Float[Tensor, ""]:
    """Weighted mean over known labels. `target`: 0, 1 or a share; -1 where missing."""
    smoothed = target.clamp(min=0).to(logits) * (1 - smoothing) + smoothing / 2
    losses = F.binary_cross_entropy_with_logits(logits, smoothed, reduction="none")
    weight = known_weights(target, weights.to(logits))
    return (losses * weight).sum() / weight.sum().clamp(min=torch.finfo(logits.dtype).tiny)


def known_weights(target: Tensor, weights: Float[Tensor, " k"]) -> Float[Tensor, "b k"]:
    """The weight of each label [b k] in the binary cross-entropy; 0 where it is missing."""
    return (target != MISSING).to(weights) * weights
