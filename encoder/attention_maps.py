"""Attention weights of an encoder as maps over the tokens of a clip."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Shaped
from torch import Tensor

from encoder.config import EncoderConfig, Grid
from encoder.vit import NoSuchAttention, VideoEncoder, layer_number

QueryToken = Literal["class", "mean"]


class AttentionQuery(NamedTuple):
    """Which attention weights to show."""

    layer: int = -1  # from 0, or from -1 backwards
    token: QueryToken | None = None  # mean: of all patches; None: the class token if there is one
    each_head: bool = False  # else the mean of the heads
    rollout: bool = False  # through all layers up to this one


LAST_LAYER = AttentionQuery()


class AttentionMaps(NamedTuple):
    """Attention of a query to each token, `m` maps a clip: one per head, or their mean.

    The class token's own key is left out and the rest is not normalised again: a map of joint
    attention sums to 1 minus the attention to the class token. In divided attention each frame is
    a map of its own.
    """

    values: Float[Tensor, "b m frames rows columns"]
    uniform: float  # the value of each token under uniform attention
    query: AttentionQuery  # with its layer counted from 0, and its token


def attention_maps(
    encoder: VideoEncoder, clip: Shaped[Tensor, "b t h w c"], request: AttentionQuery = LAST_LAYER
) -> AttentionMaps:
    """Attention maps of clips, given as the encoder's input; raises NoSuchAttention.

    Memory: one layer's weights at a time, and for a rollout the mean over heads of each layer.
    """
    config = encoder.config
    request = resolve_query(request, config)
    keys = num_keys(config)
    query = query_weights(request.token or "mean", keys, config.class_token).to(clip.device)
    with torch.no_grad():
        if request.rollout:
            layers = range(request.layer + 1)
            means = encoder(clip, attention=layers, reduce=mean_of_heads).attention
            values = rollout([means[i] for i in layers], query).unsqueeze(1)
        else:
            features = encoder(
                clip, attention=(request.layer,), reduce=lambda w: query_attention(w, query)
            )
            values = features.attention[request.layer]
            if config.attention == "divided":
                values = rearrange(values, "b t m k -> b m t k")
    values = over_grid(values, config.grid, config.class_token)
    if not request.each_head:
        values = values.mean(1, keepdim=True)
    return AttentionMaps(values, 1 / keys, request)


def resolve_query(request: AttentionQuery, config: EncoderConfig) -> AttentionQuery:
    """The query with its defaults filled in; raises NoSuchAttention with the cure."""
    if request.token == "class" and not config.class_token:
        raise NoSuchAttention("query class: the encoder has no class token; use mean")
    if request.rollout and config.attention == "divided":
        raise NoSuchAttention(
            "rollout: multiplies attention over all tokens, but this encoder has divided "
            "space-time attention; omit it"
        )
    if request.rollout and request.each_head:
        raise NoSuchAttention("rollout: uses the mean of the heads; set heads to mean")
    token: QueryToken = request.token or ("class" if config.class_token else "mean")
    return request._replace(layer=layer_number(request.layer, config.depth), token=token)


def num_keys(config: EncoderConfig) -> int:
    """Number of keys that a query attends to, with the class token."""
    frames = config.grid[0] if config.attention == "divided" else 1
    return config.tokens // frames + int(config.class_token)


def query_weights(token: QueryToken, keys: int, class_token: bool) -> Float[Tensor, " q"]:
    """Weights of the tokens in the query: 1 for the class token, or equal ones for all patches."""
    weights = torch.zeros(keys)
    if token == "class":
        weights[0] = 1
    else:
        weights[int(class_token) :] = 1 / (keys - int(class_token))
    return weights


def mean_of_heads(weights: Float[Tensor, "b m q k"]) -> Float[Tensor, "b q k"]:
    return weights.mean(1)


def query_attention(
    weights: Float[Tensor, "*b q k"], query: Float[Tensor, " q"]
) -> Float[Tensor, "*b k"]:
    """Attention of the query to each key, as a new tensor, so that `weights` can be freed."""
    return torch.einsum("q, ...qk -> ...k", query, weights)


def rollout(
    layers: Sequence[Float[Tensor, "b n n"]], query: Float[Tensor, " n"]
) -> Float[Tensor, "b n"]:
    """Attention rollout (Abnar and Zuidema, ACL 2020, equation 1) from a query to the input.

    The product of (A + I) / 2 over the layers; A is the mean attention of the heads. It is applied
    to the query from the last layer back, so no two matrices are multiplied. Rows sum to 1.
    """
    values = query.expand(layers[0].shape[0], -1)
    for weights in reversed(layers):
        values = (torch.einsum("bq, bqk -> bk", values, weights) + values) / 2
    return values


def over_grid(
    values: Float[Tensor, "*b k"], grid: Grid, class_token: bool
) -> Float[Tensor, "b m frames rows columns"]:
    """Values of keys on the token grid; they are [b m k], or [b m t k] in divided attention."""
    patches = values[..., int(class_token) :]
    return patches.reshape(*patches.shape[:2], *grid)
