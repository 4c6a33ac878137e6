"""The loss of a batch and its parts."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from encoder.config import EncoderConfig
from encoder.patchify import unit_pixels


class TokenErrors(NamedTuple):
    """Squared error of each decoded token, and which of them count.

    `hidden` is True where the encoder did not see the token: VideoMAE V2 (section 3.2) takes the
    loss there only, for a visible token can be copied.
    """

    error: Float[Tensor, "b k"]
    hidden: Bool[Tensor, "b k"]

    def loss(self) -> Float[Tensor, ""]:
        return mean_where(self.error, self.hidden)


def hidden_tokens(visible: Int64[Tensor, "b v"], tokens: int) -> Bool[Tensor, "b n"]:
    """True at the tokens that are not visible."""
    hidden = torch.ones(len(visible), tokens, dtype=torch.bool, device=visible.device)
    return hidden.scatter_(1, visible, False)


def token_errors(
    prediction: Float[Tensor, "b k p"],
    target: Float[Tensor, "b k p"],
    visible: Int64[Tensor, "b v"],
    decoded: Int64[Tensor, "b k"],
    tokens: int,
) -> TokenErrors:
    """Mean squared error over the values of each decoded token, in float32."""
    error = F.mse_loss(prediction.float(), target, reduction="none").mean(dim=-1)
    return TokenErrors(error, hidden_tokens(visible, tokens).gather(1, decoded))


def mean_where(values: Float[Tensor, "b k"], chosen: Bool[Tensor, "b k"]) -> Float[Tensor, ""]:
    """Mean over the chosen entries; not a number where there are none."""
    return (values * chosen).sum() / chosen.sum()


def constant_baseline_error(target: Float[Tensor, "b k p"], channels: int) -> Float[Tensor, "b k"]:
    """Squared error of the best constant per channel: what a model reaches that looks at nothing.

    For normalised pixels without a variance floor this is close to 1.
    """
    split = rearrange(target, "b k (x c) -> b k x c", c=channels)
    constant = split.mean(dim=(0, 1, 2))
    return (split - constant).square().mean(dim=(2, 3))


def outside_view(
    clip: Shaped[Tensor, "b t h w c"],
    decoded: Int64[Tensor, "b k"],
    encoder: EncoderConfig,
    darkness: float,
) -> Bool[Tensor, "b k"]:
    """True where a decoded token lies outside the endoscope's field of view.

    Outside is a place that stays darker than `darkness` (mean of its pixels, 0..1) in every frame
    of the clip; the brightest frame decides, so that a passing shadow is not taken for the border.
    """
    frames, rows, columns = encoder.grid
    pixels = unit_pixels(clip)
    mean = reduce(pixels, "b t (y h) (x w) c -> b t (y x)", "mean", y=rows, x=columns)
    dark = mean.amax(dim=1) < darkness
    return dark.repeat(1, frames).gather(1, decoded)
