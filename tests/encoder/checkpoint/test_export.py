"""Encoders for VideoMAE's and timm's programs, and this project's own file."""

import json
import os
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
from tests.conftest import UMASK, modes_against_umask
from tests.encoder.checkpoint.recorded import features_of
from tests.encoder.checkpoint.test_huggingface import moved

VIDEO = EncoderConfig(embed_dim=48, depth=2, num_heads=3, num_frames=4, image_size=32, patch_size=8)
IMAGE = replace(
    VIDEO, num_frames=1, tubelet_size=1, pos_embed="separable", class_token=True, pooling="first"
)
OVERRIDES = CheckpointOverrides(3, 4, (32, 32))


@pytest.mark.parametrize("file_format", ["own", "videomae", "hf", "unified"])
@pytest.mark.parametrize("norm", ["tokens", "pooled"])
def test_a_written_encoder_reads_back_exactly(tmp_path: Path, file_format: str, norm: str) -> None:
    config = replace(VIDEO, norm=norm)
    tensors = moved(VideoEncoder(config)).state_dict()
    out = tmp_path / ("out.safetensors" if file_format == "own" else "out.pth")
    write_encoder(out, tensors, config, file_format, {})
    again = load_encoder(out, overrides=OVERRIDES).encoder
    assert again.config == config
    torch.testing.assert_close(again.state_dict(), tensors, atol=0, rtol=0)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize("file_format", ["own", "videomae", "hf", "unified", "timm"])
def test_a_written_encoder_follows_the_umask(tmp_path: Path, file_format: str) -> None:
    config = IMAGE if file_format == "timm" else VIDEO
    out = tmp_path / ("out.safetensors" if file_format in ("own", "timm") else "out.pth")
    before = os.umask(UMASK)
    try:
        write_encoder(out, VideoEncoder(config).state_dict(), config, file_format, {})
    finally:
        os.umask(before)
    assert out.exists() and not modes_against_umask(tmp_path)


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
    if config.pre_norm:  # timm's has no patch bias then
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


def test_an_unsupported_encoder_is_refused_with_the_formats_that_support_it(tmp_path: Path) -> None:
    cases = [
        (VIDEO, "timm", "has num_frames 4, programs of this format support only 1"),
        (IMAGE, "videomae", "has pos_embed separable"),
        (
            replace(VIDEO, norm_eps=1e-5),
            "videomae",
            "norm_eps 1e-05.*use --to own or hf, or override it with norm_eps=1e-06",
        ),
        (replace(VIDEO, mean=(0.5, 0.5, 0.5)), "videomae", "mean"),
    ]
    for config, file_format, message in cases:
        tensors = VideoEncoder(config).state_dict()
        with pytest.raises(CheckpointMismatch, match=message):
            write_encoder(tmp_path / "out", tensors, config, file_format, {})
    assert not list(tmp_path.iterdir())


def test_a_patch_bias_with_pre_norm_is_refused_for_timm(tmp_path: Path) -> None:
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
