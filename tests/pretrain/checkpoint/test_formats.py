"""Autoencoder files in the formats of VideoMAE and Hugging Face, read and written."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from encoder.checkpoint.native_format import load_strictly
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import EncoderConfig
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.checkpoint.formats import FORMATS, read_autoencoder, write_autoencoder
from pretrain.config import DecoderConfig, PretrainConfig
from pretrain.data_config import PretrainDataConfig
from pretrain.targets.pixel_targets import StandardisedPixels

CONFIG = PretrainConfig(
    run="r",
    data=PretrainDataConfig(source="s"),
    encoder=EncoderConfig(
        embed_dim=48, depth=2, num_heads=3, num_frames=4, image_size=64, patch_size=16
    ),
    decoder=DecoderConfig(embed_dim=24, depth=2, num_heads=3),
)
TOLD = CheckpointOverrides(num_heads=3)


def model_without_zeros(config: PretrainConfig = CONFIG) -> MaskedAutoencoder:
    """Every bias, norm and token is moved off its initial value, so that each must be carried."""
    torch.manual_seed(3)
    model = MaskedAutoencoder(config.encoder, config.decoder)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model.eval()


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    clip = torch.rand(2, 4, 64, 64, 3)
    visible = torch.tensor([[0, 5, 9, 30], [1, 2, 17, 31]])
    hidden = torch.ones(2, 32, dtype=torch.bool).scatter_(1, visible, False)
    return clip, visible, hidden.nonzero()[:, 1].reshape(2, -1)


@pytest.mark.parametrize("layout", [name for name, row in FORMATS.items() if row.write])
def test_a_written_file_reads_back_exactly(tmp_path: Path, layout: str) -> None:
    tensors = model_without_zeros().state_dict()
    out = tmp_path / {"own": "a.safetensors", "videomae": "a.pth", "hf": "folder"}[layout]
    write_autoencoder(layout, out, tensors, CONFIG)
    again = read_autoencoder(out, TOLD).tensors
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("size", [(64, 64), (32, 128)])
def test_hugging_face_computes_the_same(tmp_path: Path, size: tuple[int, int]) -> None:
    """The installed transformers loads what is written here: features and predictions."""
    from transformers import VideoMAEForPreTraining

    config = replace(CONFIG, encoder=replace(CONFIG.encoder, image_size=size))
    model = model_without_zeros(config)
    write_autoencoder("hf", tmp_path / "folder", model.state_dict(), config)
    theirs, info = VideoMAEForPreTraining.from_pretrained(
        tmp_path / "folder", output_loading_info=True, attn_implementation="sdpa"
    )
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    theirs.eval()
    theirs.decoder.norm.eps = 1e-6  # fixed at 1e-5 there
    clip, visible, hidden = inputs()
    clip = clip.reshape(2, 4, *size, 3)
    mean, std = torch.tensor(CONFIG.encoder.mean), torch.tensor(CONFIG.encoder.std)
    pixels = ((clip - mean) / std).permute(0, 1, 4, 2, 3)
    seen = torch.zeros(2, 32, dtype=torch.bool).scatter_(1, visible, True)
    with torch.no_grad():
        features = theirs.videomae(pixels, bool_masked_pos=~seen).last_hidden_state
        prediction = theirs(pixels, bool_masked_pos=~seen).logits
        torch.testing.assert_close(
            model.encoder(clip, visible).tokens, features, atol=1e-5, rtol=1e-5
        )
        torch.testing.assert_close(model(clip, visible, hidden), prediction, atol=1e-5, rtol=1e-5)


def test_what_transformers_writes_is_read(tmp_path: Path) -> None:
    from transformers import VideoMAEConfig, VideoMAEForPreTraining

    from pretrain.checkpoint.writers import huggingface_config

    settings = huggingface_config(CONFIG.encoder, CONFIG.decoder)
    theirs = VideoMAEForPreTraining(VideoMAEConfig(**settings))
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    theirs.save_pretrained(tmp_path)
    model = MaskedAutoencoder(CONFIG.encoder, CONFIG.decoder)
    load_strictly(model, read_autoencoder(tmp_path).tensors, tmp_path)
    query_bias = theirs.videomae.encoder.layer[1].attention.attention.query.bias
    assert torch.equal(model.encoder.blocks[1].attn.q_bias, query_bias)
    assert query_bias.any()


@pytest.mark.parametrize(
    "wrap", [{"model": 0, "optimizer": {}, "args": argparse.Namespace(lr=1)}, {"module": 0}]
)
def test_upstreams_wrappers_are_read(tmp_path: Path, wrap: dict) -> None:
    tensors = model_without_zeros().state_dict()
    write_autoencoder("videomae", tmp_path / "plain.pth", tensors, CONFIG)
    inner = torch.load(tmp_path / "plain.pth", weights_only=True)["model"]
    inner = {f"_orig_mod.{name}": tensor for name, tensor in inner.items()}
    torch.save({key: value or inner for key, value in wrap.items()}, tmp_path / "wrapped.pth")
    assert read_autoencoder(tmp_path / "wrapped.pth", TOLD).tensors.keys() == tensors.keys()


def test_a_file_of_another_size_is_refused(tmp_path: Path) -> None:
    write_autoencoder("videomae", tmp_path / "a.pth", model_without_zeros().state_dict(), CONFIG)
    other = MaskedAutoencoder(EncoderConfig(size="small"), DecoderConfig(size="small"))
    with pytest.raises(CheckpointMismatch, match="set encoder and decoder to the file's size"):
        load_strictly(other, read_autoencoder(tmp_path / "a.pth", TOLD).tensors, tmp_path / "a.pth")


def test_a_file_that_is_no_autoencoder_is_refused(tmp_path: Path) -> None:
    torch.save({"layer1.conv.weight": torch.ones(1)}, tmp_path / "resnet.pth")
    with pytest.raises(CheckpointMismatch, match="no video or image transformer of a known format"):
        read_autoencoder(tmp_path / "resnet.pth")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("hf", {"target": StandardisedPixels()}, "cannot hold the target standardised_pixels"),
        (
            "hf",
            {"decoder": {"predicted_frames": 1}},
            "predicted_frames 1, and this format only None",
        ),
        (
            "videomae",
            {"decoder": {"embed_bias": True}},
            "embed_bias True, and this format only False",
        ),
        ("mae_st", {}, "--to mae_st: is none of own, videomae, hf"),
        ("huggingface", {}, "--to huggingface: is none of own, videomae, hf"),
    ],
)
def test_a_format_that_cannot_hold_the_model_is_refused(
    tmp_path: Path, name: str, changes: dict, message: str
) -> None:
    decoder = replace(CONFIG.decoder, **changes.get("decoder", {}))
    config = replace(CONFIG, **{**changes, "decoder": decoder})
    with pytest.raises(CheckpointMismatch, match=message):
        write_autoencoder(name, tmp_path / "out", {}, config)
    assert not (tmp_path / "out").exists()
