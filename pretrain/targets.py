"""What the decoder should predict for a tubelet, and how to turn a prediction back into pixels."""

from collections.abc import Callable
from typing import NamedTuple

from einops import rearrange
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from encoder.config import EncoderConfig
from encoder.tubelets import gather_tokens, split_tubelets, unit_pixels
from pretrain.config import TargetConfig

STD_EPS = 1e-6


class Target(NamedTuple):
    """Values to predict, and what turns them back into pixels in 0..1, per tubelet and channel."""

    values: Float[Tensor, "b k p"]
    offset: Float[Tensor, "b k 1 c"]
    scale: Float[Tensor, "b k 1 c"]

    def pixels(self, prediction: Float[Tensor, "b k p"]) -> Float[Tensor, "b k p"]:
        """Pixels of a prediction. Uses the true mean and deviation where the target does."""
        split = rearrange(prediction, "b k (x c) -> b k x c", c=self.scale.shape[-1])
        return rearrange(split * self.scale + self.offset, "b k x c -> b k (x c)")


def plain_pixels(pixels: Float[Tensor, "b k p"], channels: int, variance_floor: float) -> Target:
    """The pixels themselves, in 0..1."""
    offset = pixels.new_zeros(*pixels.shape[:2], 1, channels)
    return Target(pixels, offset, offset + 1)


def normalised_pixels(
    pixels: Float[Tensor, "b k p"], channels: int, variance_floor: float
) -> Target:
    """Pixels less their mean over their standard deviation, per tubelet and channel.

    MAE (He et al., 2022), section 3 "reconstruction target", per channel as in VideoMAE; unbiased
    variance, 1e-6 added to the deviation. Variances below the floor count as the floor, so that
    the compression noise of a black border is not blown up to the size of anatomy.
    """
    split = rearrange(pixels, "b k (x c) -> b k x c", c=channels)
    mean = split.mean(dim=2, keepdim=True)
    variance = split.var(dim=2, keepdim=True).clamp(min=variance_floor)
    scale = variance.sqrt() + STD_EPS
    values = rearrange((split - mean) / scale, "b k x c -> b k (x c)")
    return Target(values, mean, scale)


TARGETS: dict[str, Callable[[Float[Tensor, "b k p"], int, float], Target]] = {
    "pixels": plain_pixels,
    "normalised_pixels": normalised_pixels,
}


def build_target(
    clip: Shaped[Tensor, "b t h w c"],
    decoded: Int64[Tensor, "b k"],
    encoder: EncoderConfig,
    config: TargetConfig,
) -> Target:
    """The target of the tubelets at `decoded`, in float32."""
    tubelets = gather_tokens(split_tubelets(clip, encoder.tubelet_shape), decoded)
    return TARGETS[config.kind](unit_pixels(tubelets), encoder.channels, config.variance_floor)
