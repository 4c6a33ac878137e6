"""Heads, and the model of an encoder and a head."""

import json
from pathlib import Path

import pytest
import torch

from encoder.config import EncoderConfig
from encoder.vit import VideoEncoder
from finetune.model.classifier import Classifier, freeze_encoder, layer_of, learning_rate_scale
from finetune.model.heads import HEADS

TINY = EncoderConfig(embed_dim=48, depth=3, num_heads=3, patch_size=8, num_frames=4, image_size=16)
RECORDED = json.loads((Path(__file__).parent / "fixtures/public_optim.json").read_text())


def build(kind: str, **more) -> Classifier:
    torch.manual_seed(0)
    encoder = VideoEncoder(TINY)
    return Classifier(encoder, HEADS[kind](**more).build(TINY, 5)).eval()


def clips(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (*shape, 4, 16, 16, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("kind", HEADS)
def test_every_head_gives_logits_and_trains(kind: str) -> None:
    model = build(kind, init_scale=1.0)
    outputs = model(clips(2))
    assert set(outputs) == set(HEADS[kind].spec.outputs)
    logits = outputs["logits"]
    assert logits.shape == (2, 5)
    logits.square().sum().backward()
    assert all(p.grad is not None for p in model.head.parameters())
    with torch.no_grad():
        whole, part = model(clips(2))["logits"], model(clips(2)[1:])["logits"]
    torch.testing.assert_close(whole[1:], part, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", HEADS)
def test_init_scale_0_gives_equal_logits(kind: str) -> None:
    with torch.no_grad():
        logits = build(kind, init_scale=0.0)(clips(2))["logits"]
    assert not logits.any()


@pytest.mark.parametrize("kind", HEADS)
def test_segments_are_averaged(kind: str) -> None:
    model = build(kind, init_scale=1.0)
    segments = clips(2, 3)
    with torch.no_grad():
        together = model(segments)["logits"]
        order = model(segments.flip(1))["logits"]
        same = model(segments[:, :1].expand(-1, 3, -1, -1, -1, -1))["logits"]
        torch.testing.assert_close(together, order, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(same, model(segments[:, 0])["logits"], atol=1e-5, rtol=1e-4)


def test_attentive_pooling_with_equal_keys_is_a_mean() -> None:
    model = build("attentive", init_scale=1.0)
    pool = model.head.pool
    with torch.no_grad():
        pool.key_value.weight[:48].zero_()
        features = model.encoder(clips(2))
        values = pool.key_value(pool.norm(features.tokens))[..., 48:]
        torch.testing.assert_close(pool(features), pool.proj(values.mean(1)))


def test_layers_and_their_scales_are_upstreams_but_for_the_pre_norm() -> None:
    ours = {
        "cls_token": "encoder.class_token.token",
        "pos_embed": "encoder.pos_embed.space",
        "time_embed": "encoder.pos_embed.time",
        "patch_embed.proj.weight": "encoder.embed.weight",
        "blocks.0.norm1.weight": "encoder.blocks.0.norm1.weight",
        "blocks.11.mlp.fc2.bias": "encoder.blocks.11.mlp.fc2.bias",
        "blocks.3.temporal_attn.qkv.weight": "encoder.blocks.3.time_attn.qkv.weight",
        "norm.weight": "encoder.norm.weight",
        "fc_norm.weight": "encoder.norm.weight",
        "head.weight": "head.classifier.weight",
    }
    for name, own in ours.items():
        assert layer_of(own, 12) == RECORDED["layer_id"][name], name
        assert learning_rate_scale(own, 12, 0.75) == pytest.approx(RECORDED["scale"][name])
    assert layer_of("encoder.norm_pre.weight", 12) == 0
    assert learning_rate_scale("encoder.embed.weight", 12, 1.0, backbone=0.1) == 0.1
    assert learning_rate_scale("head.classifier.weight", 12, 1.0, backbone=0.1) == 1.0


@pytest.mark.parametrize(
    ("blocks", "first"), [(None, "encoder.embed"), (2, "encoder.blocks.1"), (0, "head.classifier")]
)
def test_a_part_is_trained(blocks: int | None, first: str) -> None:
    model = build("linear")
    names = freeze_encoder(model, blocks)
    assert names[0].startswith(first)
    model(clips(2))["logits"].square().sum().backward()
    trained = {name for name, p in model.named_parameters() if p.grad is not None}
    assert trained == set(names)
    if blocks is None:
        assert len(names) == len(list(model.parameters()))
