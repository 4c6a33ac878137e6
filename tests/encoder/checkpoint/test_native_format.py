from pathlib import Path

import pytest
import torch

from encoder.checkpoint.load import load_encoder
from encoder.checkpoint.native_format import load_strictly, save_encoder
from encoder.checkpoint.safe_open import CheckpointMismatch, parse_metadata
from encoder.config import EncoderConfig
from encoder.vit import VideoEncoder

TINY = EncoderConfig(
    embed_dim=48, depth=2, num_heads=3, patch_size=8, num_frames=4, image_size=(16, 24)
)


def test_an_encoder_file_gives_the_same_encoder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = VideoEncoder(TINY)
    file = tmp_path / "encoder.safetensors"
    save_encoder(file, encoder.state_dict(), TINY, recordings=["a ü.mp4"], step=3)
    again = load_encoder(file).encoder
    clip = torch.randint(0, 256, (1, 4, 16, 24, 3), dtype=torch.uint8)
    assert torch.equal(encoder(clip).tokens, again(clip).tokens)
    assert again.config == TINY
    assert parse_metadata(file, "recordings") == ["a ü.mp4"]
    assert list(tmp_path.iterdir()) == [file]


def test_positions_are_not_stored() -> None:
    assert not any("position" in name for name in VideoEncoder(TINY).state_dict())


def test_a_mismatch_loads_nothing_and_groups_what_differs(tmp_path: Path) -> None:
    encoder = VideoEncoder(TINY)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    tensors = {name: tensor + 1 for name, tensor in before.items()}
    del tensors["blocks.1.norm1.weight"]
    tensors["head.weight"] = torch.ones(1)
    tensors["norm.weight"] = torch.ones(7)
    with pytest.raises(CheckpointMismatch) as caught:
        load_strictly(encoder, tensors, tmp_path)
    message = str(caught.value)
    assert "1 tensors are missing (blocks.1 1)" in message
    assert "1 are unexpected (head.weight 1)" in message
    assert "norm.weight is 7, the model needs 48" in message
    assert all(torch.equal(before[name], t) for name, t in encoder.state_dict().items())
