"""Encoders for VideoMAE's and timm's programs, and this project's own file."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from encoder.checkpoint.export import write_encoder
from encoder.checkpoint.load import load_encoder
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import EncoderConfig
from encoder.vit import VideoEncoder
from tests.encoder.checkpoint.recorded import features_of
from tests.encoder.checkpoint.test_huggingface import moved

VIDEO = EncoderConfig(embed_dim=48, depth=2, num_heads=3, num_frames=4, image_size=32, patch_size=8)
IMAGE = replace(
    VIDEO, num_frames=1, tubelet_size=1, pos_embed="separable", class_token=True, pooling="first"
)
TOLD = CheckpointOverrides(3, 4, (32, 32))


@pytest.mark.parametrize("layout", ["own", "videomae", "hf", "unified"])
@pytest.mark.parametrize("norm", ["tokens", "pooled"])
def test_a_written_encoder_reads_back_exactly(tmp_path: Path, layout: str, norm: str) -> None:
    config = replace(VIDEO, norm=norm)
    tensors = moved(VideoEncoder(config)).state_dict()
    out = tmp_path / ("out.safetensors" if layout == "own" else "out.pth")
    write_encoder(out, tensors, config, layout, {})
    again = load_encoder(out, overrides=TOLD).encoder
    assert again.config == config
    torch.testing.assert_close(again.state_dict(), tensors, atol=0, rtol=0)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"pre_norm": True, "activation": "quick_gelu", "norm_eps": 1e-5},
        {"layer_scale": 0.1},
        {"class_token": False, "pooling": "mean", "norm": "pooled", "pos_embed": "sincos3d"},
        {"pos_embed": "learned"},
    ],
    ids=["plain", "clip", "layer scale", "unified 2D of one frame", "learned"],
)
def test_timm_computes_the_same(tmp_path: Path, fields: dict) -> None:
    config = replace(IMAGE, **fields)
    encoder = moved(VideoEncoder(config))
    if config.pre_norm:  # timm's has no bias of the patches then
        nn.init.zeros_(encoder.embed.bias)
    out = tmp_path / "out.safetensors"
    write_encoder(out, encoder.state_dict(), config, "timm", {})
    arguments = json.loads(safe_open(out, "pt").metadata()["timm"])
    eps = arguments.pop("norm_eps")
    assert (arguments.pop("mean"), arguments.pop("std")) == (list(config.mean), list(config.std))
    theirs = VisionTransformer(**arguments, norm_layer=partial(nn.LayerNorm, eps=eps)).eval()
    theirs.load_state_dict(load_file(out))
    pixels = torch.randn(2, 3, 1, 32, 32)
    with torch.no_grad():
        expected = theirs(pixels[:, :, 0])
    torch.testing.assert_close(features_of(encoder, pixels).pooled, expected, atol=1e-5, rtol=1e-5)


def test_what_a_layout_cannot_hold_is_refused_with_those_that_can(tmp_path: Path) -> None:
    cases = [
        (VIDEO, "timm", "has num_frames 4, programs of that layout only 1"),
        (IMAGE, "videomae", "has pos_embed separable"),
        (
            replace(VIDEO, norm_eps=1e-5),
            "videomae",
            "norm_eps 1e-05.*--to own or hf, or say norm_eps=1e-06",
        ),
        (replace(VIDEO, mean=(0.5, 0.5, 0.5)), "videomae", "mean"),
    ]
    for config, layout, message in cases:
        tensors = VideoEncoder(config).state_dict()
        with pytest.raises(CheckpointMismatch, match=message):
            write_encoder(tmp_path / "out", tensors, config, layout, {})
    assert not list(tmp_path.iterdir())


def test_a_bias_that_timm_has_no_place_for_is_refused(tmp_path: Path) -> None:
    config = replace(IMAGE, pre_norm=True)
    with pytest.raises(CheckpointMismatch, match="no bias there"):
        write_encoder(
            tmp_path / "out", moved(VideoEncoder(config)).state_dict(), config, "timm", {}
        )


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "out.pth"
    out.write_bytes(b"mine")
    with pytest.raises(CheckpointMismatch, match="exists already"):
        write_encoder(out, VideoEncoder(VIDEO).state_dict(), VIDEO, "videomae", {})
    assert out.read_bytes() == b"mine"
