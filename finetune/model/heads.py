"""From an encoder's features to logits: a row of HEADS each."""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from encoder.block import NORM_EPS
from encoder.config import EncoderConfig
from encoder.vit import Features
from finetune.model.config import HeadConfig


class PooledHead(nn.Module):
    """Dropout and one matrix on one vector a clip, or on the mean of those of its segments.

    `pool` makes the vector of the features; a fresh classifier is scaled down by `init_scale`, so
    that training begins near the same score for all classes (VideoMAE's choice).
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

    def forward(self, features: Features, segments: int = 1) -> Float[Tensor, "b k"]:
        vectors = self.pool(features)
        if segments > 1:
            vectors = rearrange(vectors, "(b s) d -> b s d", s=segments).mean(1)
        return self.classifier(self.dropout(vectors))


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
        mixed = F.scaled_dot_product_attention(query.expand(len(tokens), -1, -1, -1), keys, values)
        return self.proj(rearrange(mixed, "b h 1 d -> b (h d)"))


class NormalisedMean(nn.Module):
    """The mean of all tokens over time and space, and a LayerNorm of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)

    def forward(self, features: Features) -> Float[Tensor, "b d"]:
        return self.norm(features.tokens.mean(1))


class Pooled(nn.Module):
    """What the encoder itself has pooled."""

    def forward(self, features: Features) -> Float[Tensor, "b d"]:
        return features.pooled


class HeadSpec(NamedTuple):
    what: str
    pool: Callable[[HeadConfig, EncoderConfig], nn.Module]
    dropout: float = 0.0


HEADS: dict[str, HeadSpec] = {
    "linear": HeadSpec("one matrix on the pooled features", lambda head, encoder: Pooled()),
    "timesformer": HeadSpec("the same; TimeSformer's", lambda head, encoder: Pooled()),
    "i3d": HeadSpec(
        "global mean over time and space, dropout; I3D's",
        lambda head, encoder: NormalisedMean(encoder.embed_dim),
        dropout=0.5,
    ),
    "tsn": HeadSpec(
        "mean of several segments of a clip, dropout; TSN's consensus",
        lambda head, encoder: NormalisedMean(encoder.embed_dim),
        dropout=0.5,
    ),
    "attentive": HeadSpec(
        "a learned query over all tokens",
        lambda head, encoder: AttentivePooling(
            encoder.embed_dim, head.num_heads or encoder.num_heads
        ),
    ),
}


def build_head(config: HeadConfig, encoder: EncoderConfig, classes: int) -> PooledHead:
    """Called with the features of clips, and how many segments each has, it gives logits."""
    row = HEADS[config.kind]
    dropout = row.dropout if config.dropout is None else config.dropout
    pool = row.pool(config, encoder)
    return PooledHead(pool, encoder.embed_dim, classes, dropout, config.init_scale)
