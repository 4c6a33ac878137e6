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
    weight = weights.to(logits)
    if target.dtype == torch.int64:
        known = target != MISSING
        one_hot = F.one_hot(target.clamp(min=0), logits.shape[1]).to(logits)
        shares = one_hot * known[:, None]
    else:
        shares = target.to(logits)
    count = shares.sum(1, keepdim=True)
    shares = shares * (1 - smoothing) + smoothing * count / logits.shape[1]
    total = -(shares * weight * F.log_softmax(logits, 1)).sum()
    return total / (shares * weight).sum().clamp(min=torch.finfo(logits.dtype).tiny)


def binary_cross_entropy(
    logits: Float[Tensor, "b k"],
    target: Int64[Tensor, "b k"] | Float[Tensor, "b k"],
    weights: Float[Tensor, " k"],
    smoothing: float,
) -> Float[Tensor, ""]:
    """Weighted mean over known labels. `target`: 0, 1 or a share; -1 where missing."""
    known = (target != MISSING).to(logits)
    smoothed = target.clamp(min=0).to(logits) * (1 - smoothing) + smoothing / 2
    losses = F.binary_cross_entropy_with_logits(logits, smoothed, reduction="none")
    weight = known * weights.to(logits)
    return (losses * weight).sum() / weight.sum().clamp(min=1)
