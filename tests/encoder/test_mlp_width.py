"""The hidden width of an MLP: that of other libraries, and of files of earlier versions."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from timm.models.vision_transformer import Block as TimmBlock
from timm.models.vision_transformer import VisionTransformer

from encoder.block import Block
from encoder.checkpoint.formats.timm import timm_arguments
from encoder.checkpoint.load import load_encoder
from encoder.checkpoint.native_format import save_encoder
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import EncoderConfig
from encoder.flops import encoder_macs
from encoder.mlp_width import mlp_ratio, mlp_width
from encoder.vit import VideoEncoder

GIANT = 48 / 11
TINY = EncoderConfig(
    embed_dim=32, depth=1, num_heads=2, num_frames=4, image_size=32, mlp_ratio=GIANT
)


def test_the_width_is_rounded_down_as_in_timm() -> None:
    ours, theirs = Block(32, 2, GIANT), TimmBlock(32, 2, mlp_ratio=GIANT)
    assert ours.mlp.fc1.out_features == theirs.mlp.fc1.out_features == 139
    one, two = (
        encoder_macs(TINY, 8),
        encoder_macs(EncoderConfig(**{**TINY.as_dict(), "mlp_ratio": 139 / 32}), 8),
    )
    assert one == two


def test_timms_model_of_the_same_arguments_has_the_same_width() -> None:
    config = EncoderConfig(
        embed_dim=32,
        depth=1,
        num_heads=2,
        num_frames=1,
        tubelet_size=1,
        image_size=32,
        class_token=True,
        pos_embed="separable",
        mlp_ratio=GIANT,
    )
    arguments = timm_arguments(config)
    model = VisionTransformer(
        **{k: arguments[k] for k in ("img_size", "embed_dim", "depth", "num_heads", "mlp_ratio")}
    )
    assert model.blocks[0].mlp.fc1.out_features == 139


def test_every_width_has_a_ratio() -> None:
    for embed_dim in (1, 7, 32, 49, 176, 384, 1408):
        for width in range(1, 6 * embed_dim, 1 + embed_dim // 60):
            assert mlp_width(embed_dim, mlp_ratio(embed_dim, width)) == width
    assert mlp_ratio(768, 3072) == 4 and math.isclose(mlp_ratio(1408, 6144), GIANT)


def with_ratio(file: Path, ratio: float, out: Path) -> Path:
    """The file as an earlier version wrote it, with another ratio in its metadata."""
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    metadata["encoder"] = json.dumps({**json.loads(metadata["encoder"]), "mlp_ratio": ratio})
    save_file(load_file(file), out, metadata)
    return out


def test_a_file_of_an_earlier_version_which_rounded_loads(tmp_path: Path) -> None:
    torch.manual_seed(0)
    rounded = EncoderConfig(**{**TINY.as_dict(), "mlp_ratio": 140 / 32})
    encoder = VideoEncoder(rounded)
    save_encoder(tmp_path / "present.safetensors", encoder.state_dict(), rounded)
    file = with_ratio(tmp_path / "present.safetensors", GIANT, tmp_path / "former.safetensors")
    loaded = load_encoder(file).encoder
    assert mlp_width(32, loaded.config.mlp_ratio) == 140
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    other = with_ratio(tmp_path / "present.safetensors", 4.0, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointMismatch, match="do not fit"):
        load_encoder(other)
