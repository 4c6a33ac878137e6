"""The sheet of original, seen and reconstructed clips."""

import pytest
import torch
from torch import Tensor

from encoder.config import EncoderConfig
from encoder.tubelets import gather_tokens, split_tubelets, unit_pixels
from pretrain.config import TargetConfig
from pretrain.data import PretrainBatch
from pretrain.pictures import hidden_tokens, reconstruct, reconstruction_sheet
from pretrain.targets import build_target

ENCODER = EncoderConfig(embed_dim=48, depth=2, num_heads=3, frames=4, image_size=64, patch=16)


@pytest.fixture
def batch() -> PretrainBatch:
    clip = torch.randint(0, 256, (2, 4, 64, 64, 3), dtype=torch.uint8)
    visible = torch.tensor([[0, 5, 17, 31], [2, 3, 4, 30]])
    return PretrainBatch(clip, visible, visible, ("a", "b"), ())


def test_hidden_tokens_are_the_others(batch: PretrainBatch) -> None:
    hidden = hidden_tokens(batch.visible, 32)
    assert hidden.shape == (2, 28)
    for seen, rest in zip(batch.visible.tolist(), hidden.tolist(), strict=True):
        assert sorted(seen + rest) == list(range(32))
        assert rest == sorted(rest)


@pytest.mark.parametrize("kind", ["normalised_pixels", "pixels"])
def test_a_perfect_prediction_gives_the_original_back(batch: PretrainBatch, kind: str) -> None:
    target = TargetConfig(kind=kind)

    def predict(clip: Tensor, visible: Tensor, decoded: Tensor) -> Tensor:
        return build_target(clip, decoded, ENCODER, target).values

    original, seen, filled = reconstruct(predict, batch, ENCODER, target)
    torch.testing.assert_close(filled, original, atol=1e-4, rtol=0)
    torch.testing.assert_close(original, batch.clip / 255)
    tubelets = split_tubelets(seen, ENCODER.tubelet_shape)
    shown = gather_tokens(tubelets, batch.visible)
    expected = gather_tokens(split_tubelets(batch.clip, ENCODER.tubelet_shape), batch.visible)
    torch.testing.assert_close(shown, unit_pixels(expected))
    assert (gather_tokens(tubelets, hidden_tokens(batch.visible, 32)) == 0.5).all()


def test_the_sheet_is_as_large_as_its_frames_and_says_what_it_shows(batch: PretrainBatch) -> None:
    clips = (batch.clip / 255,) * 3
    sheet = reconstruction_sheet(clips, 0.25, tubelet=2, normalised=True, title="step 7")
    # 2 clips x 3 rows of 2 frames, each 64 pixels enlarged twice, with margin and caption
    assert sheet.shape == (6 * (128 + 4 + 22), 2 * (128 + 4), 3)
    assert sheet[:22].max() > 200, "no caption"
