"""Pixel targets: their values, and the statistics that turn predictions back into pixels."""

from collections.abc import Callable

import torch
from einops import rearrange
from jaxtyping import Float, Shaped
from torch import Tensor

from encoder.config import EncoderConfig, Tubelet
from encoder.patchify import (
    gather_tokens,
    per_channel,
    split_tubelets,
    standardise,
    unit_pixels,
)
from pretrain.targets.built import BuiltTarget, PixelStatistics, Target

STD_EPS = VARIANCE_EPS = 1e-6


def plain_pixels(
    pixels: Float[Tensor, "b k p"], encoder: EncoderConfig, variance_floor: float
) -> Target:
    """The pixels themselves, in 0..1."""
    offset = pixels.new_zeros(*pixels.shape[:2], 1, encoder.channels)
    return Target(pixels, PixelStatistics(offset, offset + 1))


def standardised_pixels(
    pixels: Float[Tensor, "b k p"], encoder: EncoderConfig, variance_floor: float
) -> Target:
    """Pixels standardised like the encoder's input: the target of mae_st."""
    zero = pixels.new_zeros(*pixels.shape[:2], 1, encoder.channels)
    mean = zero + per_channel(encoder.mean, pixels.device)
    scale = zero + per_channel(encoder.std, pixels.device)
    return Target(standardise(pixels, encoder.mean, encoder.std), PixelStatistics(mean, scale))


def normalised_pixels(
    pixels: Float[Tensor, "b k p"], encoder: EncoderConfig, variance_floor: float
) -> Target:
    """Pixels minus their mean, divided by their standard deviation, per tubelet and channel.

    MAE (He et al., 2022), section 3 "reconstruction target", per channel as in VideoMAE: unbiased
    variance, 1e-6 added to the deviation. Variances below the floor count as the floor: otherwise
    the compression noise of a black border would weigh as much as anatomy.
    """
    split = rearrange(pixels, "b k (x c) -> b k x c", c=encoder.channels)
    mean = split.mean(dim=2, keepdim=True)
    deviation = split - mean
    # ten times faster than torch.var over a dimension that is not the last
    variance = deviation.square().sum(dim=2, keepdim=True) / (split.shape[2] - 1)
    scale = variance.clamp(min=variance_floor).sqrt() + STD_EPS
    values = rearrange(deviation / scale, "b k x c -> b k (x c)")
    return Target(values, PixelStatistics(mean, scale))


def normalised_patches(
    pixels: Float[Tensor, "b k p"], encoder: EncoderConfig, variance_floor: float
) -> Target:
    """Standardised pixels, normalised again per tubelet over all channels together.

    MAE (He et al., 2022) and mae_st: unbiased variance, 1e-6 added to the variance.
    """
    zero = pixels.new_zeros(*pixels.shape[:2], 1, encoder.channels)
    channel_mean = zero + per_channel(encoder.mean, pixels.device)
    channel_std = zero + per_channel(encoder.std, pixels.device)
    inputs = standardise(pixels, encoder.mean, encoder.std)
    mean = inputs.mean(dim=-1, keepdim=True)
    std = (inputs.var(dim=-1, keepdim=True).clamp(min=variance_floor) + VARIANCE_EPS).sqrt()
    values = (inputs - mean) / std
    mean, std = mean[..., None], std[..., None]
    return Target(values, PixelStatistics(channel_mean + mean * channel_std, std * channel_std))


NORMALISATIONS: dict[str, Callable[[Float[Tensor, "b k p"], EncoderConfig, float], Target]] = {
    "pixels": plain_pixels,
    "standardised_pixels": standardised_pixels,
    "normalised_pixels": normalised_pixels,
    "normalised_patches": normalised_patches,
}


def build_pixel_target(
    kind: str, encoder: EncoderConfig, variance_floor: float, predicted_frames: int | None
) -> BuiltTarget:
    """Pixels of the tokens' tubelets under a row of NORMALISATIONS."""
    normalise = NORMALISATIONS[kind]

    def compute(clip: Tensor, tokens: Tensor) -> Target:
        frames, shape = predicted_part(clip, encoder, predicted_frames)
        tubelets = gather_tokens(split_tubelets(frames, shape), tokens)
        return normalise(unit_pixels(tubelets), encoder, variance_floor)

    is_normalised = kind.startswith("normalised")
    return BuiltTarget(compute, statistics="per_tubelet" if is_normalised else "fixed")


def predicted_part(
    clip: Shaped[Tensor, "b t h w c"], encoder: EncoderConfig, predicted_frames: int | None
) -> tuple[Shaped[Tensor, "b s h w c"], Tubelet]:
    """The frames of a clip that the decoder predicts, and the shape of a tubelet of them.

    As mae_st's `pred_t_dim`: fewer frames are evenly spaced from the first to the last.
    """
    if predicted_frames is None:
        return clip, encoder.tubelet_shape
    count = predicted_frames * encoder.grid[0]
    index = torch.linspace(0, encoder.num_frames - 1, count, device=clip.device).long()
    return clip[:, index], (predicted_frames, encoder.patch_size, encoder.patch_size)
