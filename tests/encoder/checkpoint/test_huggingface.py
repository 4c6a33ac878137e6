"""The installed transformers: its files are read, and files written for it give equal features."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn

from encoder.checkpoint.export import write_encoder
from encoder.checkpoint.formats.huggingface import huggingface_config
from encoder.checkpoint.load import load_encoder
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import EncoderConfig
from encoder.vit import VideoEncoder
from tests.encoder.checkpoint.recorded import features_of

CLOSE = {"atol": 1e-5, "rtol": 1e-5}
TINY = EncoderConfig(embed_dim=48, depth=2, num_heads=3, num_frames=4, image_size=32, patch_size=8)


def moved(module: nn.Module) -> nn.Module:
    """Moves every parameter from its initial value, biases and norms too."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return module.eval()


def pixels(frames: int = 4) -> Tensor:
    return torch.randn(2, 3, frames, 32, 32, generator=torch.Generator().manual_seed(1))


def test_an_encoder_written_for_it_gives_the_same_tokens(tmp_path: Path) -> None:
    encoder = moved(VideoEncoder(TINY))
    write_encoder(tmp_path / "out", encoder.state_dict(), TINY, "hf", {})
    theirs, info = transformers.VideoMAEModel.from_pretrained(
        tmp_path / "out", output_loading_info=True
    )
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.no_grad():
        expected = theirs.eval()(pixels().transpose(1, 2)).last_hidden_state
    torch.testing.assert_close(features_of(encoder, pixels()).tokens, expected, **CLOSE)


@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_its_processor_shows_the_encoder_what_it_was_trained_on(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    """From frames of a recording to features: a marked frame, not a part of it, is seen."""
    config = replace(TINY, image_size=size)
    encoder = moved(VideoEncoder(config))
    write_encoder(tmp_path / "out", encoder.state_dict(), config, "hf", {})
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path / "out")
    theirs = transformers.VideoMAEModel.from_pretrained(tmp_path / "out").eval()
    rows, columns = (8 * side for side in size)
    frame = np.indices((rows, columns)).sum(0) * 255 / (rows + columns)  # a ramp over the frame
    wide = np.pad(frame, ((0, 0), (16, 16)), "edge") if size[0] == size[1] else frame
    frames = [np.repeat(wide[..., None], 3, 2).astype(np.uint8)] * 4
    seen = processor(frames, return_tensors="pt")["pixel_values"]
    assert seen.shape == (1, 4, 3, *size)
    ours = torch.from_numpy(np.stack(frames)[None])
    if size[0] == size[1]:
        ours = ours[:, :, :, 16 : 16 + columns]
    clip = ours.reshape(1, 4, size[0], 8, size[1], 8, 3).float().mean((3, 5)).round().byte()
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in (config.mean, config.std))
    shown = (seen * std + mean) * 255
    assert (shown[0, 0] - clip[0, 0].permute(2, 0, 1)).abs().max() < 4  # antialiased otherwise
    with torch.no_grad():
        expected = theirs(seen).last_hidden_state
    torch.testing.assert_close(encoder(clip).tokens, expected, atol=0.1, rtol=0.1)


@pytest.mark.parametrize("size", [(24, 40), (40, 24)])
def test_clips_that_are_not_square_give_the_same_tokens(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    config = replace(TINY, image_size=size)
    encoder = moved(VideoEncoder(config))
    write_encoder(tmp_path / "out", encoder.state_dict(), config, "hf", {})
    theirs = transformers.VideoMAEModel.from_pretrained(tmp_path / "out").eval()
    clip = torch.randn(2, 3, 4, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = theirs(clip.transpose(1, 2)).last_hidden_state
    torch.testing.assert_close(features_of(encoder, clip).tokens, expected, **CLOSE)
    assert load_encoder(tmp_path / "out").encoder.config == config


def test_a_finetuned_encoder_makes_a_round_trip(tmp_path: Path) -> None:
    config = EncoderConfig(**{**TINY.as_dict(), "norm": "pooled", "size": "custom"})
    encoder = moved(VideoEncoder(config))
    write_encoder(tmp_path / "out", encoder.state_dict(), config, "hf", {})
    theirs = transformers.VideoMAEForVideoClassification.from_pretrained(tmp_path / "out").eval()
    theirs.fc_norm.eps = 1e-6  # fixed at 1e-5 there
    with torch.no_grad():
        tokens = theirs.videomae(pixels().transpose(1, 2)).last_hidden_state
        expected = theirs.fc_norm(tokens.mean(1))
    torch.testing.assert_close(features_of(encoder, pixels()).pooled, expected, **CLOSE)
    again = load_encoder(tmp_path / "out").encoder
    assert again.config == config
    torch.testing.assert_close(again.state_dict(), encoder.state_dict(), atol=0, rtol=0)


@pytest.mark.parametrize("old", [False, True], ids=["version 5", "before version 5"])
def test_biases_of_its_files_are_not_lost(tmp_path: Path, old: bool) -> None:
    """Version 5 itself starts them at 0 when it reads names of version 4."""
    settings = transformers.VideoMAEConfig(**huggingface_config(TINY))
    theirs = moved(transformers.VideoMAEForPreTraining(settings))
    theirs.save_pretrained(tmp_path)
    if old:
        state = {
            name.replace("query.bias", "q_bias").replace("value.bias", "v_bias"): tensor
            for name, tensor in theirs.state_dict().items()
            if "position_embeddings" not in name
        }
        (tmp_path / "model.safetensors").unlink()
        torch.save(state, tmp_path / "pytorch_model.bin")
    encoder, report = load_encoder(tmp_path)
    query = theirs.videomae.encoder.layer[1].attention.attention.query.bias
    assert torch.equal(encoder.blocks[1].attn.q_bias, query) and query.any()
    with torch.no_grad():
        expected = theirs.videomae(pixels().transpose(1, 2)).last_hidden_state
    torch.testing.assert_close(features_of(encoder, pixels()).tokens, expected, **CLOSE)
    assert report.source.detected.name == "videomae_pretrain"


def test_a_missing_final_norm_is_reported(tmp_path: Path) -> None:
    settings = huggingface_config(TINY) | {"use_mean_pooling": True}
    theirs = moved(transformers.VideoMAEModel(transformers.VideoMAEConfig(**settings)))
    theirs.save_pretrained(tmp_path)
    encoder, report = load_encoder(tmp_path)
    assert "no final LayerNorm" in str(report) and report.plan.initialised
    with torch.no_grad():
        expected = theirs(pixels().transpose(1, 2)).last_hidden_state
    torch.testing.assert_close(features_of(encoder, pixels()).tokens, expected, **CLOSE)


def image_settings(**more) -> dict:
    sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3}
    return {**sizes, "intermediate_size": 96, "image_size": 32, "patch_size": 8, **more}


def test_its_image_transformer_is_read(tmp_path: Path) -> None:
    settings = transformers.ViTConfig(**image_settings(layer_norm_eps=1e-12))
    theirs = moved(transformers.ViTModel(settings, add_pooling_layer=False))
    theirs.save_pretrained(tmp_path)
    half = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(half))
    encoder = load_encoder(tmp_path).encoder
    assert encoder.config.norm_eps == 1e-12 and encoder.config.mlp_ratio == 2
    assert encoder.config.mean == (0.5, 0.5, 0.5)
    with torch.no_grad():
        expected = theirs(pixels(1)[:, :, 0]).last_hidden_state
    output = features_of(encoder, pixels(1))
    torch.testing.assert_close(output.pooled, expected[:, 0], **CLOSE)
    torch.testing.assert_close(output.tokens, expected[:, 1:], **CLOSE)


def test_its_clip_is_read(tmp_path: Path) -> None:
    settings = transformers.CLIPVisionConfig(**image_settings())
    theirs = moved(transformers.CLIPVisionModel(settings))
    theirs.save_pretrained(tmp_path)
    encoder = load_encoder(tmp_path).encoder
    assert encoder.config.activation == "quick_gelu"
    with torch.no_grad():
        expected = theirs(pixels(1)[:, :, 0]).pooler_output
    torch.testing.assert_close(features_of(encoder, pixels(1)).pooled, expected, **CLOSE)


def test_a_sharded_file_is_read(tmp_path: Path) -> None:
    theirs = moved(
        transformers.VideoMAEModel(transformers.VideoMAEConfig(**huggingface_config(TINY)))
    )
    theirs.save_pretrained(tmp_path, max_shard_size="50KB")
    parts = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(parts) > 1
    encoder = load_encoder(tmp_path).encoder
    with torch.no_grad():
        expected = theirs(pixels().transpose(1, 2)).last_hidden_state
    torch.testing.assert_close(features_of(encoder, pixels()).tokens, expected, **CLOSE)
    parts[1].unlink()
    with pytest.raises(CheckpointMismatch, match="is missing"):
        load_encoder(tmp_path)


def test_unsupported_encoders_are_refused(tmp_path: Path) -> None:
    cases = {
        "pos_embed": {"pos_embed": "sincos3d"},
        "class_token": {"class_token": True},
    }
    for word, fields in cases.items():
        config = EncoderConfig(**{**TINY.as_dict(), **fields, "size": "custom"})
        with pytest.raises(CheckpointMismatch, match=word):
            write_encoder(tmp_path / "out", VideoEncoder(config).state_dict(), config, "hf", {})
    assert not list(tmp_path.iterdir())
