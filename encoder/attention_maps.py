"""Where an encoder looks: attention weights as maps over the tokens of a clip."""

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
    """Which attention: of a layer, of whom, by which heads."""

    layer: int = -1  # from 0, or from -1 backwards
    token: QueryToken | None = (
        None  # class token, or mean of all patches; None: the former if there
    )
    each_head: bool = False  # else the mean of the heads
    rollout: bool = False  # through all layers up to this one


LAST_LAYER = AttentionQuery()


class AttentionMaps(NamedTuple):
    """What a query takes of each token, `m` maps a clip: one a head, or one.

    Without the class token's own key, and not normalised again: a map of joint attention adds up
    to 1 less what goes to the class token. A frame of divided attention is a map of its own.
    """

    values: Float[Tensor, "b m frames rows columns"]
    uniform: float  # what each token would get from a query that treats all its keys alike
    query: AttentionQuery  # with its layer counted from 0, and its query


def attention_maps(
    encoder: VideoEncoder, clip: Shaped[Tensor, "b t h w c"], request: AttentionQuery = LAST_LAYER
) -> AttentionMaps:
    """Attention maps of clips as the encoder takes them; raises NoSuchAttention.

    Beside one layer's weights there are never more than the means of its heads.
    """
    config = encoder.config
    request = resolve_query(request, config)
    keys = num_keys(config)
    query = query_weights(request.token or "mean", keys, config.class_token).to(clip.device)
    with torch.no_grad():
        if request.rollout:
            layers = range(request.layer + 1)
            held = encoder(clip, attention=layers, reduce=mean_of_heads).attention
            values = rollout([held[i] for i in layers], query).unsqueeze(1)
        else:
            kept = encoder(
                clip, attention=(request.layer,), reduce=lambda w: query_attention(w, query)
            )
            values = kept.attention[request.layer]
            if config.attention == "divided":
                values = rearrange(values, "b t m k -> b m t k")
    values = over_grid(values, config.grid, config.class_token)
    if not request.each_head:
        values = values.mean(1, keepdim=True)
    return AttentionMaps(values, 1 / keys, request)


def resolve_query(request: AttentionQuery, config: EncoderConfig) -> AttentionQuery:
    """What is asked of this encoder, whole; raises NoSuchAttention with the cure."""
    if request.token == "class" and not config.class_token:
        raise NoSuchAttention("query class: the encoder has no class token; say mean")
    if request.rollout and config.attention == "divided":
        raise NoSuchAttention(
            "rollout: is a product of attention over all tokens, and this encoder's is divided "
            "between time and space; leave it out"
        )
    if request.rollout and request.each_head:
        raise NoSuchAttention("rollout: goes through the mean of the heads; leave heads at mean")
    token: QueryToken = request.token or ("class" if config.class_token else "mean")
    return request._replace(layer=layer_number(request.layer, config.depth), token=token)


def num_keys(config: EncoderConfig) -> int:
    """Number of tokens, the class token among them, that a query divides its attention among."""
    frames = config.grid[0] if config.attention == "divided" else 1
    return config.tokens // frames + int(config.class_token)


def query_weights(query: QueryToken, keys: int, class_token: bool) -> Float[Tensor, " q"]:
    """The share of each token in the query: the class token alone, or all others alike."""
    shares = torch.zeros(keys)
    if query == "class":
        shares[0] = 1
    else:
        shares[int(class_token) :] = 1 / (keys - int(class_token))
    return shares


def mean_of_heads(weights: Float[Tensor, "b m q k"]) -> Float[Tensor, "b q k"]:
    return weights.mean(1)


def query_attention(
    weights: Float[Tensor, "*b q k"], query: Float[Tensor, " q"]
) -> Float[Tensor, "*b k"]:
    """What the query takes of each key; a new tensor, so the weights can go."""
    return torch.einsum("q, ...qk -> ...k", query, weights)


def rollout(
    layers: Sequence[Float[Tensor, "b n n"]], query: Float[Tensor, " n"]
) -> Float[Tensor, "b n"]:
    """Attention rollout (Abnar and Zuidema, ACL 2020, equation 1) of a query to the input.

    The product of (A + I) / 2 over the layers, whose mean attention A comes from the first to the
    last. It is applied to the query from the last on, so no product of matrices is ever made. Its
    rows add up to 1 as those of A do.
    """
    taken = query.expand(layers[0].shape[0], -1)
    for weights in reversed(layers):
        taken = (torch.einsum("bq, bqk -> bk", taken, weights) + taken) / 2
    return taken


def over_grid(
    values: Float[Tensor, "*b k"], grid: Grid, class_token: bool
) -> Float[Tensor, "b m frames rows columns"]:
    """Values of keys at their places: of all tokens [b m k], or by frame [b m t k]."""
    patches = values[..., int(class_token) :]
    return patches.reshape(*patches.shape[:2], *grid)
