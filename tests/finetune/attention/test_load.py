"""Encoders to look into, and what their files say of the pace of clips."""

from pathlib import Path

import pytest

from encoder.checkpoint.native_format import save_encoder
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import EncoderConfig
from encoder.vit import VideoEncoder
from finetune.attention.load import load_attention_model, training_sampling
from tests.conftest import ROOT
from video.config import Sampling

TINY = EncoderConfig(
    embed_dim=24, depth=2, num_heads=2, patch_size=16, num_frames=4, image_size=(48, 64)
)
CKPT = ROOT / "tests/encoder/checkpoint/fixtures/ckpt/public_videomae_k400_pretrain.pth"
DENSE = {"form": "clip", "kind": "dense", "frame_rate": None, "stride": None, "segments": 1}
WINDOW = {"form": "window", "kind": "causal", "step_seconds": 0.5, "spacing": "even"}


def sampling_of(folder: Path, **metadata: object) -> tuple[Sampling, str]:
    save_encoder(folder / "encoder.safetensors", VideoEncoder(TINY).state_dict(), TINY, **metadata)
    return training_sampling(load_attention_model(str(folder), ()).source)  # the folder of a run


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ({"": {"frame_rate": 2.0, "stride": None}}, Sampling(frame_rate=2)),
        ({"a": {"frame_rate": None, "stride": 3}, "b": {"stride": 5}}, Sampling(stride=3)),
        (DENSE, Sampling(stride=4)),
        ({**DENSE, "frame_rate": 5.0}, Sampling(frame_rate=5)),
        (WINDOW, Sampling(frame_rate=2)),
    ],
)
def test_clips_are_sampled_as_in_training(
    recorded: dict[str, object], expected: Sampling, tmp_path: Path
) -> None:
    assert sampling_of(tmp_path, sampling=recorded) == (expected, "as in training")


@pytest.mark.parametrize(
    "recorded", [{**DENSE, "kind": "sparse"}, {**WINDOW, "spacing": "incremental"}]
)
def test_sampling_without_a_constant_frame_rate_gives_the_default(
    recorded: dict[str, object], tmp_path: Path
) -> None:
    sampling, origin = sampling_of(tmp_path, sampling=recorded)
    assert sampling == Sampling() and "no constant frame rate" in origin


def test_a_file_without_sampling_gets_the_default(tmp_path: Path) -> None:
    assert sampling_of(tmp_path) == (Sampling(), "default, the file has none")
    foreign = load_attention_model(str(CKPT), ("num_heads=3", "frames=4", "image_size=32"))
    assert training_sampling(foreign.source)[0] == Sampling()
    assert not foreign.encoder.training


@pytest.mark.parametrize(
    "recorded",
    [
        {},
        [],
        3,
        "12.5",
        {"": None},
        {"": {"frame_rate": -1}},
        {"": {"pace": 1}},
        {"form": "film"},
        {"form": []},
        {**DENSE, "stride": 1, "frame_rate": 1},
    ],
)
def test_invalid_sampling_is_refused_with_the_cure(recorded: object, tmp_path: Path) -> None:
    with pytest.raises(CheckpointMismatch, match=r"encoder\.safetensors: metadata sampling"):
        sampling_of(tmp_path, sampling=recorded)
