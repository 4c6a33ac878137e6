"""What the decoder should predict for a tubelet, and how to turn a prediction back into pixels."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from encoder.config import EncoderConfig, Tubelet
from encoder.patchify import (
    gather_tokens,
    per_channel,
    split_tubelets,
    standardise,
    unit_pixels,
)
from pretrain.config import TargetConfig

STD_EPS = VARIANCE_EPS = 1e-6


class Statistics(NamedTuple):
    """What turns predicted values into pixels in 0..1, per tubelet and channel."""

    offset: Float[Tensor, "b k 1 c"]
    scale: Float[Tensor, "b k 1 c"]

    def pixels(self, prediction: Float[Tensor, "b k p"]) -> Float[Tensor, "b k p"]:
        split = rearrange(prediction, "b k (x c) -> b k x c", c=self.scale.shape[-1])
        return rearrange(split * self.scale + self.offset, "b k x c -> b k (x c)")


class Target(NamedTuple):
    """Values to predict, and the true tubelets' statistics, which they do not tell."""

    values: Float[Tensor, "b k p"]
    statistics: Statistics


def plain_pixels(
    pixels: Float[Tensor, "b k p"], encoder: EncoderConfig, variance_floor: float
) -> Target:
    """The pixels themselves, in 0..1."""
    offset = pixels.new_zeros(*pixels.shape[:2], 1, encoder.channels)
    return Target(pixels, Statistics(offset, offset + 1))


def standardised_pixels(
    pixels: Float[Tensor, "b k p"], encoder: EncoderConfig, variance_floor: float
) -> Target:
    """Pixels as the encoder sees them, less its mean over its deviation: what mae_st predicts."""
    zero = pixels.new_zeros(*pixels.shape[:2], 1, encoder.channels)
    mean = zero + per_channel(encoder.mean, pixels.device)
    scale = zero + per_channel(encoder.std, pixels.device)
    return Target(standardise(pixels, encoder.mean, encoder.std), Statistics(mean, scale))


def normalised_pixels(
    pixels: Float[Tensor, "b k p"], encoder: EncoderConfig, variance_floor: float
) -> Target:
    """Pixels less their mean over their standard deviation, per tubelet and channel.

    MAE (He et al., 2022), section 3 "reconstruction target", per channel as in VideoMAE; unbiased
    variance, 1e-6 added to the deviation. Variances below the floor count as the floor, so that
    the compression noise of a black border is not blown up to the size of anatomy.
    """
    split = rearrange(pixels, "b k (x c) -> b k x c", c=encoder.channels)
    mean = split.mean(dim=2, keepdim=True)
    deviation = split - mean
    # a tenth of the time of torch's var over a dimension that is not the last
    variance = deviation.square().sum(dim=2, keepdim=True) / (split.shape[2] - 1)
    scale = variance.clamp(min=variance_floor).sqrt() + STD_EPS
    values = rearrange(deviation / scale, "b k x c -> b k (x c)")
    return Target(values, Statistics(mean, scale))


def normalised_patches(
    pixels: Float[Tensor, "b k p"], encoder: EncoderConfig, variance_floor: float
) -> Target:
    """Standardised pixels less their mean over their deviation, per tubelet, all channels together.

    MAE (He et al., 2022) and mae_st; unbiased variance, 1e-6 added to it.
    """
    seen, (mean, scale) = standardised_pixels(pixels, encoder, variance_floor)
    centre = seen.mean(dim=-1, keepdim=True)
    spread = (seen.var(dim=-1, keepdim=True).clamp(min=variance_floor) + VARIANCE_EPS).sqrt()
    values = (seen - centre) / spread
    centre, spread = centre[..., None], spread[..., None]
    return Target(values, Statistics(mean + centre * scale, spread * scale))


TARGETS: dict[str, Callable[[Float[Tensor, "b k p"], EncoderConfig, float], Target]] = {
    "pixels": plain_pixels,
    "standardised_pixels": standardised_pixels,
    "normalised_pixels": normalised_pixels,
    "normalised_patches": normalised_patches,
}


def build_target(
    clip: Shaped[Tensor, "b t h w c"],
    decoded: Int64[Tensor, "b k"],
    encoder: EncoderConfig,
    config: TargetConfig,
    predicted_frames: int | None = None,
) -> Target:
    """The target of the tubelets at `decoded`, in float32.

    `predicted_frames` of each tubelet; all of them where None.
    """
    frames, shape = predicted_part(clip, encoder, predicted_frames)
    tubelets = gather_tokens(split_tubelets(frames, shape), decoded)
    return TARGETS[config.kind](unit_pixels(tubelets), encoder, config.variance_floor)


def predicted_part(
    clip: Shaped[Tensor, "b t h w c"], encoder: EncoderConfig, predicted_frames: int | None
) -> tuple[Shaped[Tensor, "b s h w c"], Tubelet]:
    """The frames of a clip that the decoder predicts, and the shape of a tubelet of them.

    mae_st's `pred_t_dim`: where they are fewer they lie evenly from the first frame to the last.
    """
    if predicted_frames is None:
        return clip, encoder.tubelet_shape
    count = predicted_frames * encoder.grid[0]
    index = torch.linspace(0, encoder.num_frames - 1, count, device=clip.device).long()
    return clip[:, index], (predicted_frames, encoder.patch_size, encoder.patch_size)
