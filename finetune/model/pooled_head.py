"""Heads that pool the tokens to one vector and classify it with one matrix."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from encoder.block import NORM_EPS
from encoder.vit import Features


class PooledHead(nn.Module):
    """Pooling, dropout and a linear classifier; the vectors of several segments are averaged.

    The classifier's initial weights are scaled by `init_scale`, so that training starts near equal
    scores for all classes (VideoMAE's choice).
    """

    def __init__(
        self,
        pool: Callable[[Features], Float[Tensor, "b d"]],
        width: int,
        classes: int,
        dropout: float,
        init_scale: float,
    ) -> None:
        super().__init__()
        self.pool = pool
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, classes)
        nn.init.trunc_normal_(self.classifier.weight, std=0.02)
        nn.init.zeros_(self.classifier.bias)
        with torch.no_grad():
            self.classifier.weight.mul_(init_scale)

    def forward(self, features: Features, segments: int = 1) -> dict[str, Tensor]:
        """`logits` [b k]."""
        vectors = self.pool(features)
        if segments > 1:
            vectors = rearrange(vectors, "(b s) d -> b s d", s=segments).mean(1)
        return {"logits": self.classifier(self.dropout(vectors))}


class EncoderPooling(nn.Module):
    """The pooled features of the encoder."""

    def forward(self, features: Features) -> Float[Tensor, "b d"]:
        return features.pooled


class NormalisedMean(nn.Module):
    """The mean of all tokens over time and space, with a LayerNorm of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)

    def forward(self, features: Features) -> Float[Tensor, "b d"]:
        return self.norm(features.tokens.mean(1))


class AttentivePooling(nn.Module):
    """One learned query over all tokens, with keys and values of its own (CAE: Chen et al., 2022;
    V-JEPA: Bardes et al., 2024, appendix)."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Parameter(torch.empty(width))
        nn.init.trunc_normal_(self.query, std=0.02)
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.key_value = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, features: Features) -> Float[Tensor, "b d"]:
        tokens = self.norm(features.tokens)
        keys, values = rearrange(
            self.key_value(tokens), "b n (s h d) -> s b h n d", s=2, h=self.num_heads
        )
        query = rearrange(self.query.to(keys.dtype), "(h d) -> 1 h 1 d", h=self.num_heads)
        pooled = F.scaled_dot_product_attention(query.expand(len(tokens), -1, -1, -1), keys, values)
        return self.proj(rearrange(pooled, "b h 1 d -> b (h d)"))
