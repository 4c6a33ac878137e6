"""Losses of logits against labels, hard or soft, one or many a sample."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from finetune.model.config import LossConfig
from video.labels.segments import MISSING

Target = Int64[Tensor, " b"] | Int64[Tensor, "b k"] | Float[Tensor, "b k"]
Loss = Callable[[Float[Tensor, "b k"], Tensor], Float[Tensor, ""]]


def class_weights(config: LossConfig, counts: Int64[Tensor, " k"]) -> Float[Tensor, " k"]:
    """One weight a class, 1 on average; a class without samples has none.

    `counts`: labelled samples of each class in the training split.
    """
    if isinstance(config.weights, tuple):
        if len(config.weights) != len(counts):
            raise ValueError(
                f"loss.weights: {len(config.weights)} numbers for {len(counts)} classes"
            )
        return torch.tensor(config.weights, dtype=torch.float32)
    there = (counts > 0).float()
    if config.weights == "none":
        return torch.ones(len(counts))
    number = counts.clamp(min=1).double()
    if config.weights == "balanced":  # equation 2: (1 - beta^n) / (1 - beta) samples count
        number = (1 - config.beta**number) / (1 - config.beta)
    weights = (1 / number).float() * there
    return weights * there.sum() / weights.sum()


def build_loss(config: LossConfig, counts: Int64[Tensor, " k"]) -> Loss:
    """Called with logits and targets: classes [b], shares [b k] as Mixup makes them, or, for the
    binary loss, 0, 1 or a share for each class [b k]. Labels of -1 count nowhere."""
    weights = class_weights(config, counts)

    def cross_entropy(logits: Float[Tensor, "b k"], target: Tensor) -> Float[Tensor, ""]:
        weight = weights.to(logits)
        if target.dtype == torch.int64:
            known = target != MISSING
            hard = F.one_hot(target.clamp(min=0), logits.shape[1]).to(logits)
            shares = hard * known[:, None]
        else:
            shares = target.to(logits)
        count = shares.sum(1, keepdim=True)
        shares = shares * (1 - config.smoothing) + config.smoothing * count / logits.shape[1]
        each = -(shares * weight * F.log_softmax(logits, 1)).sum()
        return each / (shares * weight).sum().clamp(min=torch.finfo(logits.dtype).tiny)

    def binary(logits: Float[Tensor, "b k"], target: Tensor) -> Float[Tensor, ""]:
        known = (target != MISSING).to(logits)
        wanted = target.clamp(min=0).to(logits)
        wanted = wanted * (1 - config.smoothing) + config.smoothing / 2
        each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        weight = known * weights.to(logits)
        return (each * weight).sum() / weight.sum().clamp(min=1)

    return cross_entropy if config.kind == "cross_entropy" else binary
