"""The table of targets: keys of earlier versions, inference from files, and recorded digests."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic.dataclasses import dataclass

from encoder.config import EncoderConfig
from launch.config import STRICT
from launch.errors import ConfigError
from launch.recipe import load_recipe
from pretrain.checkpoint.infer_config import metadata_of
from pretrain.cli import RECIPES
from pretrain.config import DecoderConfig, PretrainConfig
from pretrain.targets.pixel_targets import NormalisedPixels, Pixels
from pretrain.targets.registry import TARGETS, infer_target, read_target
from pretrain.targets.spec import TargetSpec, values_per_token


def config_of(*overrides: str) -> PretrainConfig:
    return load_recipe(PretrainConfig, "demo", overrides, RECIPES, run="unused")


def test_keys_of_earlier_versions_are_read() -> None:
    config = config_of("target={kind: pixels, variance_floor: 0.1, field_of_view_darkness: 0.2}")
    assert config.target == Pixels() and config.log.fov_darkness == 0.2
    config = config_of("target={variance_floor: 0.1}", "log.fov_darkness=0.3")
    assert config.target == NormalisedPixels(variance_floor=0.1) and config.log.fov_darkness == 0.3


def test_metadata_of_earlier_versions_is_read() -> None:
    former = {"variance_floor": 0.0, "field_of_view_darkness": 0.06}
    assert read_target({"kind": "pixels", **former}) == Pixels()
    assert read_target({"kind": "normalised_pixels", **former}) == NormalisedPixels()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("target.kind=normalized_pixels", "did you mean normalised_pixels?"),
        ("target.variance_flor=1", "target.variance_flor: no such key"),
        ("target={variance_floor: -1}", "target.variance_floor: -1 is refused"),
        ("decoder.predicted_frames=3", "decoder.predicted_frames 3 is more than encoder.tubelet"),
    ],
)
def test_a_wrong_target_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(override)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("layout", "recorded", "kind", "is_assumed"),
    [
        ("hf", {"norm_pix_loss": True}, "normalised_pixels", False),
        ("hf", {"norm_pix_loss": False}, "pixels", False),
        ("hf", {}, "normalised_pixels", True),
        ("videomae", {}, "normalised_pixels", True),
        ("mae_st", {}, "standardised_pixels", True),
        ("own", {}, "normalised_pixels", True),
    ],
)
def test_the_target_of_a_file_is_inferred(
    layout: str, recorded: dict[str, bool], kind: str, is_assumed: bool
) -> None:
    assert infer_target(layout, recorded) == (kind, is_assumed)


@pytest.mark.parametrize("kind", TARGETS)
def test_pixel_targets_are_as_wide_as_a_tubelet(kind: str) -> None:
    encoder = EncoderConfig(patch_size=16, tubelet_size=2)
    assert values_per_token(TARGETS[kind](), encoder, None) == 2 * 16 * 16 * 3
    assert values_per_token(TARGETS[kind](), encoder, 1) == 16 * 16 * 3


@dataclass(frozen=True, config=STRICT)
class Taught:
    """A target that depends on a file."""

    weights: Path
    kind: Literal["taught"] = "taught"
    spec: ClassVar[TargetSpec] = replace(
        Pixels.spec, files=lambda settings: (settings.weights,), formats={}
    )


def test_metadata_records_the_digests_of_a_targets_files(tmp_path: Path) -> None:
    file = tmp_path / "teacher.safetensors"
    file.write_bytes(b"weights")
    metadata = metadata_of(EncoderConfig(), DecoderConfig(), Taught(file))
    assert json.loads(metadata["target"]) == {"weights": str(file), "kind": "taught"}
    digests = json.loads(metadata["target_sha256"])
    assert digests == {str(file): hashlib.sha256(b"weights").hexdigest()}
    assert "target_sha256" not in metadata_of(EncoderConfig(), DecoderConfig(), Pixels())
