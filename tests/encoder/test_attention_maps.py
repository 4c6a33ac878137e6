"""Attention maps: recorded ones of mae_st, and properties of all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from encoder.attention_maps import (
    AttentionQuery,
    attention_maps,
    mean_of_heads,
    over_grid,
    query_attention,
    query_weights,
    resolve_query,
    rollout,
)
from encoder.checkpoint.load import load_encoder
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.config import EncoderConfig
from encoder.variants import VARIANTS, as_variant
from encoder.vit import NoSuchAttention, VideoEncoder

SEEDS = Path(__file__).parent / "checkpoint/fixtures/seeds"
TINY = EncoderConfig(
    embed_dim=48, depth=3, num_heads=3, patch_size=8, num_frames=4, image_size=(16, 24)
)
DIVIDED = as_variant(VARIANTS["timesformer_{}"], TINY)
KINDS = {"mean": TINY, "class": replace(TINY, pos_embed="learned", class_token=True)}
KINDS["divided"] = DIVIDED


def build(config: EncoderConfig) -> VideoEncoder:
    torch.manual_seed(0)
    encoder = VideoEncoder(config).eval()
    with torch.no_grad():  # attention that is far from even
        for parameter in encoder.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return encoder


def clips(config: EncoderConfig, count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    shape = (count, config.num_frames, *config.image_size, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def random_layers(layers: int, tokens: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    shape = (layers, 2, tokens, tokens)
    return list((torch.randn(shape, generator=generator) * 2).softmax(-1))


@pytest.mark.parametrize("heads", ["mean", "each"])
def test_the_map_equals_the_recorded_one(heads: str) -> None:
    """Last layer, row of the class token without its own key, not normalised again."""
    stored = np.load(SEEDS / "public_mae_st_vit.npz")
    encoder, _ = load_encoder(
        SEEDS / "public_mae_st_vit.safetensors", overrides=CheckpointOverrides(4)
    )
    mean, std = torch.tensor(encoder.config.mean), torch.tensor(encoder.config.std)
    clip = torch.from_numpy(stored["x"]).permute(0, 2, 3, 4, 1) * std + mean
    maps = attention_maps(encoder.eval(), clip, AttentionQuery(each_head=heads == "each"))
    expected = torch.from_numpy(stored["cls_to_patch_heads"])
    if heads == "mean":
        expected = expected.mean(1, keepdim=True)
    torch.testing.assert_close(maps.values, expected, atol=2e-5, rtol=1e-4)
    assert maps.query == AttentionQuery(encoder.config.depth - 1, "class", heads == "each")
    assert maps.uniform == 1 / 33 and (maps.values.sum((2, 3, 4)) < 1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_maps_are_rows_of_the_attention_of_a_layer(kind: str) -> None:
    config = KINDS[kind]
    encoder, clip = build(config), clips(config)
    with torch.no_grad():
        weights = encoder(clip, attention=(1,)).attention[1]
    maps = attention_maps(encoder, clip, AttentionQuery(1, each_head=True))
    assert maps.values.shape == (2, 3, *config.grid)
    rows = weights[..., 0, 1:] if config.class_token else weights.mean(-2)
    if kind == "divided":
        rows = rows.transpose(1, 2)
        assert maps.uniform == 1 / 7
    torch.testing.assert_close(maps.values.flatten(2), rows.flatten(2))
    patches = attention_maps(encoder, clip, AttentionQuery(-2, "mean"))
    classes = int(config.class_token)
    rows = weights[..., classes:, classes:].mean(-2).mean(2 if kind == "divided" else 1)
    torch.testing.assert_close(patches.values.flatten(1), rows.flatten(1))
    assert patches.query.layer == 1


@pytest.mark.parametrize("kind", ["mean", "class"])
def test_rollout_is_the_product_of_the_layers(kind: str) -> None:
    config = KINDS[kind]
    encoder, clip = build(config), clips(config)
    with torch.no_grad():
        stored = encoder(clip, attention=range(3)).attention
    eye = torch.eye(stored[0].shape[-1])
    product = eye
    for layer in range(2):
        product = (stored[layer].mean(1) + eye) / 2 @ product
    maps = attention_maps(encoder, clip, AttentionQuery(1, rollout=True))
    expected = product[:, 0, 1:] if config.class_token else product.mean(1)
    torch.testing.assert_close(maps.values.flatten(1), expected)
    assert maps.values.shape == (2, 1, *config.grid)


def test_rollout_of_one_layer_is_half_the_layer_and_half_the_query_itself() -> None:
    (weights,) = random_layers(1, 5)
    for token in range(5):
        query = torch.eye(5)[token]
        torch.testing.assert_close(rollout([weights], query), (weights[:, token] + query) / 2)


def test_uniform_attention_gives_uniform_maps_at_any_depth() -> None:
    even = torch.full((2, 7, 7), 1 / 7)
    query = query_weights("mean", 7, class_token=False)
    torch.testing.assert_close(rollout([even] * 9, query), torch.full((2, 7), 1 / 7))
    of_class = rollout([even] * 9, query_weights("class", 7, class_token=True))[:, 1:]
    torch.testing.assert_close(of_class, torch.full((2, 6), (1 - 0.5**9) / 7))
    encoder = build(TINY)
    for block in encoder.blocks:
        torch.nn.init.zeros_(block.attn.qkv.weight)
        torch.nn.init.zeros_(block.attn.q_bias)
    maps = attention_maps(encoder, clips(TINY))
    torch.testing.assert_close(maps.values / maps.uniform, torch.ones(2, 1, 2, 2, 3))


def test_attention_of_a_query_sums_to_one() -> None:
    layers = random_layers(4, 9)
    for query, class_token in (("class", True), ("mean", True), ("mean", False)):
        shares = query_weights(query, 9, class_token)
        assert shares.sum() == pytest.approx(1)
        torch.testing.assert_close(rollout(layers, shares).sum(-1), torch.ones(2))
        torch.testing.assert_close(query_attention(layers[0], shares).sum(-1), torch.ones(2))
    assert query_weights("mean", 9, class_token=True)[0] == 0


def test_tokens_in_another_order_give_the_same_map_in_that_order() -> None:
    layers, order = random_layers(3, 6), torch.tensor([3, 5, 0, 1, 4, 2])
    moved = [weights[:, order][:, :, order] for weights in layers]
    query = torch.eye(6)[3]
    torch.testing.assert_close(rollout(moved, query[order]), rollout(layers, query)[:, order])


def test_places_on_the_grid_are_frame_row_column() -> None:
    values = torch.arange(13.0).expand(1, 1, 13)
    placed = over_grid(values, (2, 2, 3), class_token=True)
    assert placed[0, 0, 0, 0].tolist() == [1, 2, 3] and placed[0, 0, 1, 1].tolist() == [10, 11, 12]


def test_a_token_that_all_attend_to_is_the_maximum_of_the_map() -> None:
    """End to end: the keys of one patch get the largest logits."""
    encoder, clip = build(TINY), torch.zeros(1, 4, 16, 24, 3, dtype=torch.uint8)
    clip[:, 2:4, 8:16, 16:24] = 255
    with torch.no_grad():
        x = encoder._embedded(clip, None)
        normed = encoder.blocks[0].norm1(x)[0]
        away = normed[11] - normed[:11].mean(0)
        attn = encoder.blocks[0].attn
        attn.qkv.weight[48:96] = torch.eye(48)  # keys are the tokens
        attn.qkv.weight[:48] = 0
        attn.q_bias.copy_(away * 9)  # every query looks for that one
    values = attention_maps(encoder, clip, AttentionQuery(0)).values[0, 0]
    assert values.argmax() == 11 and values[1, 1, 2] > 0.9


def test_reduced_weights_do_not_keep_the_full_ones() -> None:
    weights = torch.rand(1, 3, 50, 50)
    reduced = query_attention(weights, query_weights("class", 50, class_token=True))
    assert reduced.untyped_storage().nbytes() == 3 * 50 * 4
    assert mean_of_heads(weights).untyped_storage().nbytes() == 50 * 50 * 4
    seen = []
    with torch.no_grad():
        build(TINY)(
            clips(TINY), attention=(0, -1), reduce=lambda w: seen.append(w.shape) or w[:, 0]
        )
    assert seen == [(2, 3, 12, 12)] * 2


@pytest.mark.parametrize(
    ("config", "query", "message"),
    [
        (
            TINY,
            AttentionQuery(3),
            "attention of layer 3: the encoder has layers 0 to 2, .* -1 to -3",
        ),
        (TINY, AttentionQuery(-4), "attention of layer -4"),
        (
            TINY,
            AttentionQuery(token="class"),
            "query class: the encoder has no class token; use mean",
        ),
        (
            DIVIDED,
            AttentionQuery(rollout=True),
            "rollout: .*divided space-time attention; omit it",
        ),
        (TINY, AttentionQuery(rollout=True, each_head=True), "rollout: .* set heads to mean"),
    ],
)
def test_unavailable_attention_is_refused(
    config: EncoderConfig, query: AttentionQuery, message: str
) -> None:
    with pytest.raises(NoSuchAttention, match=message) as raised:
        resolve_query(query, config)
    assert raised.value.exit_status == 2
