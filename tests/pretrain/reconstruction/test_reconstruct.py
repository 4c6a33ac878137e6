"""Reconstructions: what they are made of, and that no hidden pixel leaks into them."""

import pytest
import torch
from torch import Tensor

from encoder.config import EncoderConfig
from encoder.patchify import gather_tokens, split_tubelets, unit_pixels
from pretrain.loss import build_objective
from pretrain.reconstruction.reconstruct import (
    GREY,
    hidden_indices,
    neighbour_statistics,
    reconstruct,
)
from pretrain.reconstruction.render import classic_sheet, reconstruction_sheet, strips_of
from pretrain.targets.built import PixelStatistics, build_target
from pretrain.targets.pixel_targets import NormalisedPixels, Pixels
from pretrain.targets.registry import TARGETS
from pretrain.targets.spec import PretrainingTarget

ENCODER = EncoderConfig(
    embed_dim=48, depth=2, num_heads=3, num_frames=4, image_size=64, patch_size=16
)
VISIBLE = torch.tensor([[0, 5, 17, 31], [2, 3, 4, 30]])


@pytest.fixture
def clip() -> Tensor:
    torch.manual_seed(0)
    return torch.randint(0, 256, (2, 4, 64, 64, 3), dtype=torch.uint8)


def perfect(target: PretrainingTarget, frames: int | None = None):
    def predict(clip: Tensor, visible: Tensor, decoded: Tensor) -> Tensor:
        return build_target(target, ENCODER, frames).compute(clip, decoded).values

    return predict


def silent(clip: Tensor, visible: Tensor, decoded: Tensor) -> Tensor:
    """A model that looks at nothing."""
    torch.manual_seed(1)
    return torch.randn(*decoded.shape, ENCODER.tubelet_values)


def test_hidden_tokens_are_the_others() -> None:
    hidden = hidden_indices(VISIBLE, 32)
    assert hidden.shape == (2, 28)
    for seen, rest in zip(VISIBLE.tolist(), hidden.tolist(), strict=True):
        assert sorted(seen + rest) == list(range(32)) and rest == sorted(rest)


@pytest.mark.parametrize("kind", TARGETS)
def test_a_perfect_prediction_gives_the_original_back(clip: Tensor, kind: str) -> None:
    target = TARGETS[kind]()
    result = reconstruct(perfect(target), clip, VISIBLE, build_objective(ENCODER, target))
    filled = result.with_true_statistics if kind.startswith("normalised") else result.reconstructed
    torch.testing.assert_close(filled, result.original, atol=1e-4, rtol=0)
    torch.testing.assert_close(result.original, clip / 255)
    assert (result.with_true_statistics is None) == (not kind.startswith("normalised"))
    assert result.error.max() < 1e-9 < result.baseline.min()
    tubelets = split_tubelets(result.masked, ENCODER.tubelet_shape)
    shown = gather_tokens(tubelets, VISIBLE)
    expected = gather_tokens(split_tubelets(clip, ENCODER.tubelet_shape), VISIBLE)
    torch.testing.assert_close(shown, unit_pixels(expected))
    assert (gather_tokens(tubelets, hidden_indices(VISIBLE, 32)) == GREY).all()


@pytest.mark.parametrize("kind", TARGETS)
def test_no_hidden_pixel_leaks_into_the_reconstruction(clip: Tensor, kind: str) -> None:
    target = TARGETS[kind]()
    hidden = hidden_indices(VISIBLE, 32)
    tubelets = split_tubelets(clip, ENCODER.tubelet_shape)
    index = hidden.unsqueeze(-1).expand(-1, -1, tubelets.shape[-1])
    other = torch.randint(0, 60, index.shape, dtype=torch.uint8)
    changed = tubelets.scatter(1, index, other)
    from encoder.patchify import join_tubelets

    another = join_tubelets(changed, ENCODER.tubelet_shape, ENCODER.grid)
    first, second = (
        reconstruct(silent, c, VISIBLE, build_objective(ENCODER, target)) for c in (clip, another)
    )
    assert torch.equal(first.reconstructed, second.reconstructed)
    assert not torch.equal(first.original, second.original)
    if first.with_true_statistics is not None:
        assert (first.with_true_statistics - second.with_true_statistics).abs().max() > 0.1, (
            "the truth should leak"
        )


def test_statistics_are_interpolated_from_near_tubelets() -> None:
    grid = (1, 1, 5)
    visible, hidden = torch.tensor([[0, 4]]), torch.tensor([[1, 2, 3]])
    offset = torch.tensor([0.2, 0.8]).view(1, 2, 1, 1)
    borrowed = neighbour_statistics(PixelStatistics(offset, offset * 2), visible, hidden, grid)
    near = [(1 * 0.2 + 3**-4 * 0.8) / (1 + 3**-4), 0.5, (1 * 0.8 + 3**-4 * 0.2) / (1 + 3**-4)]
    assert borrowed.offset.flatten().tolist() == pytest.approx(near)
    torch.testing.assert_close(borrowed.scale, borrowed.offset * 2)


def test_a_decoder_of_fewer_frames_gives_images_of_those(clip: Tensor) -> None:
    target = Pixels()
    result = reconstruct(
        perfect(target, 1), clip, VISIBLE, build_objective(ENCODER, target, predicted_frames=1)
    )
    torch.testing.assert_close(result.original, clip[:, [0, 3]] / 255)
    torch.testing.assert_close(result.reconstructed, result.original)


def test_images_have_a_row_for_each_part(clip: Tensor) -> None:
    target = NormalisedPixels()
    result = reconstruct(silent, clip, VISIBLE, build_objective(ENCODER, target))
    strips = strips_of(result, 1, 0.125)
    assert list(strips) == [
        "original",
        "masked",
        "reconstructed",
        "with_true_statistics",
        "difference",
    ]
    assert (
        "12%" in strips["masked"].caption
        and "uses the original" in strips["with_true_statistics"].caption
    )
    assert all(strip.frames.shape == (4, 64, 64, 3) for strip in strips.values())
    plain = strips_of(
        reconstruct(silent, clip, VISIBLE, build_objective(ENCODER, Pixels())), 0, 0.125
    )
    assert list(plain) == ["original", "masked", "reconstructed", "difference"]
    classic = classic_sheet(strips)
    assert classic.shape == (3 * 65 + 1, 4 * 65 + 1, 3)
    assert (classic[1:65, 1:65] == strips["original"].frames[0]).all()
    assert (classic[131:195, 196:260] == strips["reconstructed"].frames[3]).all()
    sheet = reconstruction_sheet(result, 0.125, "step 7")
    assert sheet.shape[1] >= 4 * 128 and len(sheet) > 2 * 5 * 128
