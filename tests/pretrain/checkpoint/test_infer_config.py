"""Decoder and target of a file, from its shapes, metadata and format."""

from pathlib import Path

import pytest
import torch

from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.parse import read_source
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import EncoderConfig
from launch.checkpoint.consolidate import consolidate
from launch.recipe import load_recipe
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.checkpoint.formats import autoencoder_of, write_autoencoder
from pretrain.checkpoint.infer_config import (
    DecoderOverrides,
    InferredConfig,
    infer_autoencoder_config,
)
from pretrain.config import DecoderConfig, PretrainConfig
from pretrain.data_config import PretrainDataConfig
from pretrain.targets.pixel_targets import NormalisedPatches, NormalisedPixels
from pretrain.targets.registry import TARGETS
from pretrain.targets.spec import PretrainingTarget

ENCODER = EncoderConfig(
    embed_dim=48, depth=2, num_heads=3, num_frames=4, image_size=64, patch_size=16
)
DECODER = DecoderConfig(embed_dim=128, depth=2, num_heads=2, mlp_ratio=3)
SEEDS = Path(__file__).parents[2] / "encoder/checkpoint/fixtures/seeds"


def written(
    layout: str, out: Path, target: PretrainingTarget, decoder: DecoderConfig = DECODER
) -> Path:
    config = PretrainConfig(
        run="r",
        data=PretrainDataConfig(source="s"),
        encoder=ENCODER,
        decoder=decoder,
        target=target,
    )
    tensors = MaskedAutoencoder(ENCODER, decoder).state_dict()
    write_autoencoder(layout, out, tensors, config)
    return out


def measured(path: Path, *of_decoder: int | str) -> InferredConfig:
    said = CheckpointOverrides(num_heads=3, num_frames=4, image_size=(64, 64))
    found = read_source(path, said)
    return infer_autoencoder_config(found, *autoencoder_of(found), DecoderOverrides(*of_decoder))


def test_an_own_file_records_its_whole_configuration(tmp_path: Path) -> None:
    target = NormalisedPatches(variance_floor=0.01)
    odd = DecoderConfig(embed_dim=36, depth=1, num_heads=9, pos_embed="separable", class_token=True)
    found = measured(written("own", tmp_path / "a.safetensors", target, odd))
    assert found == InferredConfig(ENCODER, odd, target, ())
    with pytest.raises(
        CheckpointMismatch, match="records its decoder and target; drop --decoder-heads"
    ):
        measured(tmp_path / "a.safetensors", 4)


def test_videomae_has_heads_of_64_and_normalised_pixels(tmp_path: Path) -> None:
    found = measured(written("videomae", tmp_path / "a.pth", NormalisedPixels()))
    assert found.decoder == DECODER and found.target == NormalisedPixels()
    assert any("2 heads" in line for line in found.assumed)
    told = measured(tmp_path / "a.pth", 4, "pixels")
    assert told.decoder.num_heads == 4 and told.target.kind == "pixels"
    assert not any("heads" in line for line in told.assumed)
    with pytest.raises(CheckpointMismatch, match="num_heads 5 does not divide"):
        measured(tmp_path / "a.pth", 5)


@pytest.mark.parametrize("kind", ["pixels", "normalised_pixels"])
def test_hugging_face_records_heads_and_target(tmp_path: Path, kind: str) -> None:
    odd = DecoderConfig(embed_dim=128, depth=1, num_heads=8)
    found = measured(written("hf", tmp_path / "a", TARGETS[kind](), odd))
    assert found.decoder == odd and found.target.kind == kind
    assert not any("heads" in line or "target" in line for line in found.assumed)


def test_mae_st_predicts_standardised_pixels(tmp_path: Path) -> None:
    file = SEEDS / "public_mae_st_mae.safetensors"
    encoder = read_source(file, CheckpointOverrides(4))
    read = autoencoder_of(encoder)
    found = infer_autoencoder_config(encoder, *read, DecoderOverrides(4))
    assert found.target.kind == "standardised_pixels"
    assert found.decoder.pos_embed == "separable" and found.decoder.class_token
    assert found.decoder.predicted_frames is None
    with pytest.raises(CheckpointMismatch, match="num_heads 16 does not divide"):
        infer_autoencoder_config(encoder, *read, DecoderOverrides())


def test_another_target_than_pixels_is_refused(tmp_path: Path) -> None:
    file = written("videomae", tmp_path / "a.pth", NormalisedPixels())
    held = torch.load(file, weights_only=True)
    held["model"]["decoder.head.weight"] = torch.zeros(108, 128)
    torch.save(held, file)
    with pytest.raises(
        CheckpointMismatch,
        match="predicts 108 values per token, but the target normalised_pixels has 1536",
    ):
        measured(file)


def test_a_consolidated_run_records_its_whole_configuration(finished: Path, tmp_path: Path) -> None:
    """Its decoder has two heads of 16, where a file of VideoMAE's would have one."""
    consolidate(finished, tmp_path / "whole.safetensors", None)
    encoder = read_source(tmp_path / "whole.safetensors")
    found = infer_autoencoder_config(encoder, *autoencoder_of(encoder), DecoderOverrides())
    config = load_recipe(PretrainConfig, str(finished / "config.yaml"), (), finished)
    assert found == InferredConfig(config.encoder, config.decoder, config.target, ())
