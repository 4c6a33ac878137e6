import pytest
import torch

from encoder.config import EncoderConfig
from pretrain.loss import constant_baseline_error, outside_view, token_errors
from pretrain.targets.built import build_target
from pretrain.targets.pixel_targets import NormalisedPixels, Pixels
from pretrain.targets.registry import TARGETS
from pretrain.targets.spec import PretrainingTarget

TINY = EncoderConfig(
    embed_dim=48, depth=2, num_heads=3, patch_size=8, num_frames=4, image_size=(16, 24)
)
EVERYTHING = torch.arange(12).expand(1, -1)


def clip_of(value: float) -> torch.Tensor:
    return torch.full((1, 4, 16, 24, 3), value)


def test_the_loss_counts_only_hidden_tokens() -> None:
    prediction, target = torch.zeros(1, 3, 2), torch.tensor([[[1.0, 1], [2, 2], [3, 3]]])
    errors = token_errors(prediction, target, torch.tensor([[4]]), torch.tensor([[0, 4, 7]]), 12)
    assert errors.hidden.tolist() == [[True, False, True]]
    assert float(errors.loss()) == pytest.approx((1 + 9) / 2)


def test_constant_baseline_is_one_on_normalised_noise() -> None:
    noise = torch.rand(2, 4, 16, 24, 3)
    decoded = EVERYTHING.expand(2, -1)
    target = build_target(NormalisedPixels(), TINY).compute(noise, decoded)
    assert constant_baseline_error(target.values, 3).mean() == pytest.approx(1, abs=0.02)


def test_constant_baseline_is_zero_on_pixels_of_one_colour() -> None:
    target = build_target(Pixels(), TINY).compute(clip_of(0.7), EVERYTHING)
    assert constant_baseline_error(target.values, 3).max() == pytest.approx(0, abs=1e-10)


def test_a_variance_floor_removes_compression_noise_and_keeps_anatomy() -> None:
    torch.manual_seed(0)
    noise = clip_of(0.02) + torch.randint(0, 2, (1, 4, 16, 24, 3)) / 255
    anatomy = torch.rand(1, 4, 16, 24, 3)
    floor = NormalisedPixels(variance_floor=4e-4)
    blown_up = (
        build_target(NormalisedPixels(), TINY).compute(noise, EVERYTHING).values.square().mean()
    )
    silenced = build_target(floor, TINY).compute(noise, EVERYTHING).values.square().mean()
    kept = build_target(floor, TINY).compute(anatomy, EVERYTHING).values
    assert blown_up > 0.9 and silenced < 0.02
    torch.testing.assert_close(
        kept, build_target(NormalisedPixels(), TINY).compute(anatomy, EVERYTHING).values
    )


@pytest.mark.parametrize(
    "config", [NormalisedPixels(variance_floor=0.01), *(row() for row in TARGETS.values())]
)
def test_a_target_turns_back_into_its_pixels(config: PretrainingTarget) -> None:
    clip = torch.rand(1, 4, 16, 24, 3)
    target = build_target(config, TINY).compute(clip, EVERYTHING)
    plain = build_target(Pixels(), TINY).compute(clip, EVERYTHING).values
    torch.testing.assert_close(target.statistics.pixels(target.values), plain, atol=1e-5, rtol=1e-5)


def test_tokens_outside_the_field_of_view_stay_dark() -> None:
    clip = (clip_of(0.01) * 255).to(torch.uint8)
    clip[:, :, :, 8:] = 120  # the first column of tokens is border
    clip[:, 0, 8:, 8:16] = 0  # a shadow passes for one frame
    outside = outside_view(clip, EVERYTHING, TINY, darkness=0.06).reshape(2, 2, 3)
    assert outside.tolist() == [[[True, False, False]] * 2] * 2
