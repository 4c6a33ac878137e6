"""Output of every kind of encoder; a clip's features do not depend on other clips."""

from dataclasses import replace

import pytest
import torch

from encoder.config import EncoderConfig
from encoder.variants import (
    ALIASES,
    VARIANTS,
    as_variant,
    find_variant,
    variant_config,
    variant_names,
)
from encoder.vit import Features, VideoEncoder

TINY = EncoderConfig(
    embed_dim=48,
    depth=3,
    num_heads=3,
    patch_size=8,
    num_frames=4,
    image_size=(16, 24),
    drop_path=0.3,
)
CLIP_LIKE = {"pre_norm": True, "activation": "quick_gelu", "norm_eps": 1e-5, "layer_scale": 0.1}
KINDS = {row.format("tiny"): as_variant(variant, TINY) for row, variant in VARIANTS.items()}
KINDS |= {
    "pretraining": TINY,
    "learned": replace(TINY, pos_embed="learned", class_token=True),
    "clip": replace(KINDS["unified_tiny_image"], **CLIP_LIKE),
    "first": replace(TINY, pooling="first"),
}


def build(config: EncoderConfig) -> VideoEncoder:
    torch.manual_seed(0)
    encoder = VideoEncoder(config).eval()
    with torch.no_grad():  # away from 0 and 1, so that every parameter shows
        for parameter in encoder.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return encoder


def clips(config: EncoderConfig, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    shape = (count, config.num_frames, *config.image_size, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def features(config: EncoderConfig, clip: torch.Tensor, **options) -> Features:
    with torch.no_grad():
        return build(config)(clip, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_does_not_see_its_neighbours(kind: str) -> None:
    config = KINDS[kind]
    batch = clips(config, 3)
    together, alone = features(config, batch), features(config, batch[1:2])
    for name in ("tokens", "class_token", "pooled"):
        several, one = getattr(together, name), getattr(alone, name)
        if several is not None:
            torch.testing.assert_close(several[1:2], one, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_encoder_returns_the_same_object(kind: str) -> None:
    config = KINDS[kind]
    output = features(config, clips(config, 2), attention=(0, -1))
    frames, rows, columns = output.grid
    assert output.grid == config.grid and output.tokens.shape == (2, config.tokens, 48)
    assert (output.class_token is not None) == config.class_token
    assert output.pooled.shape == (2, 48)
    count = int(config.class_token)
    divided = config.attention == "divided"
    seen = rows * columns + count if divided else config.tokens + count
    expected = (2, frames, 3, seen, seen) if divided else (2, 3, seen, seen)
    assert set(output.attention) == {0, -1}
    for weights in output.attention.values():
        assert weights.shape == expected
        torch.testing.assert_close(weights.sum(-1), torch.ones(expected[:-1]))


def test_attention_is_what_mixes_the_values() -> None:
    encoder = build(TINY)
    block = encoder.blocks[1]
    with torch.no_grad():
        x = torch.randn(2, 12, 48)
        weights = block.attention(x)
        attn, normed = block.attn, block.norm1(x)
        _, _, values = attn._queries_keys_values(normed, None)
        mixed = (weights @ values).transpose(1, 2).flatten(2)
        torch.testing.assert_close(attn.proj(mixed), attn(normed), atol=1e-6, rtol=1e-5)


def test_an_unknown_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="has layers 0 to 2"):
        features(TINY, clips(TINY, 1), attention=(3,))


def test_the_norm_of_the_pooled_feature_does_not_change_tokens() -> None:
    pooled = replace(TINY, norm="pooled")
    encoder, output = build(pooled), features(pooled, clips(TINY, 2))
    torch.testing.assert_close(output.pooled, encoder.norm(output.tokens.mean(1)))
    assert not torch.allclose(output.tokens.mean(-1), torch.zeros(2, 12), atol=1e-2)


def test_divided_attention_needs_all_tokens() -> None:
    config = KINDS["timesformer_tiny"]
    with pytest.raises(ValueError, match="needs all tokens"):
        features(config, clips(config, 1), visible=torch.tensor([[0, 1]]))


def test_divided_attention_starts_as_an_image_model_of_each_frame() -> None:
    """Temporal attention has no effect after the first block until `time_proj` is trained."""
    encoder = VideoEncoder(KINDS["timesformer_tiny"])
    assert encoder.blocks[0].time_proj.weight.any()
    assert not any(block.time_proj.weight.any() for block in encoder.blocks[1:])


def test_a_class_token_sees_only_visible_tokens() -> None:
    config = KINDS["learned"]
    clip = clips(config, 1)
    changed = clip.clone()
    changed[:, 0:2, 0:8, 8:16] = 0  # token 1
    visible = torch.tensor([[0, 3, 11]])
    one, other = (features(config, c, visible=visible) for c in (clip, changed))
    assert torch.equal(one.class_token, other.class_token)
    assert one.tokens.shape == (1, 3, 48)


@pytest.mark.parametrize("kind", ["learned", "unified_tiny_image", "unified_tiny_st"])
def test_visible_tokens_have_their_own_positions(kind: str) -> None:
    encoder = build(KINDS[kind])
    count = KINDS[kind].tokens
    index = torch.tensor([[5, 0, count - 1]])
    assert torch.equal(encoder.positions(index)[0], encoder.positions(None)[0][index[0]])


@pytest.mark.parametrize("name", [*variant_names(), *ALIASES])
def test_every_variant_can_be_built_at_every_size(name: str) -> None:
    config = variant_config(name)
    with torch.device("meta"):
        encoder = VideoEncoder(config)
    assert encoder.embed.weight.shape == (config.embed_dim, config.tubelet_values)
    assert config.grid[0] == 8


def test_an_unknown_variant_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="nearest: unified_base_2D"):
        find_variant("unified_base_2d")
