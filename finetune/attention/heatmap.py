"""Attention maps as strips of an image: overlaid on the frames, and as grey maps."""

from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch.nn.functional import interpolate

from encoder.config import Tubelet
from video.visualize.strips import to_uint8

COLOURS = "inferno"  # perceptually uniform, and safe for colour-blind readers
BOUNDS = (
    0.5,
    99.5,
)  # percentiles, as a few tokens with very high attention would darken all others
OPACITY = (0.15, 0.8)  # of the colour over a frame, at the minimum and maximum
LEAST_SPAN = 0.1  # of a scale, so that uniform attention does not show its rounding errors
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


class Scale(NamedTuple):
    """Bounds of the colours, in multiples of uniform attention."""

    low: float
    high: float

    def of(self, values: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """Values as 0 to 1."""
        return np.clip((values - self.low) / (self.high - self.low), 0, 1)

    def __str__(self) -> str:
        return f"{self.low:.2g} to {self.high:.2g} times uniform attention"


def scale_of(values: Float[np.ndarray, "*n"]) -> Scale:
    """One scale for all tiles of an image."""
    low, high = map(float, np.percentile(values, BOUNDS))
    missing = max(0.0, LEAST_SPAN - (high - low)) / 2
    return Scale(low - missing, high + missing)


def grey(
    values: Float[np.ndarray, "frames rows columns"], scale: Scale, tubelet: Tubelet
) -> UInt8[np.ndarray, "t h w 3"]:
    """Every token as a square of its pixels."""
    return to_uint8(_squares(scale.of(values), tubelet)[..., None])


def grey_by_tile(
    values: Float[np.ndarray, "frames rows columns"], tubelet: Tubelet
) -> UInt8[np.ndarray, "t h w 3"]:
    """The same with a scale for each frame, so that frames are not comparable."""
    low, high = values.min((1, 2), keepdims=True), values.max((1, 2), keepdims=True)
    tiles = (values - low) / np.maximum(high - low, 1e-12)
    return to_uint8(_squares(tiles, tubelet)[..., None])


def overlay(
    frames: UInt8[np.ndarray, "t h w 3"],
    values: Float[np.ndarray, "frames rows columns"],
    scale: Scale,
) -> UInt8[np.ndarray, "t h w 3"]:
    """Colours over grey frames, as tissue itself has the colours of high attention."""
    t, h, w = frames.shape[:3]
    shades = _smooth(scale.of(values), h, w).repeat(t // len(values), axis=0)[..., None]
    colours = matplotlib.colormaps[COLOURS](shades[..., 0])[..., :3]
    beneath = (frames / 255 @ np.array(LUMA))[..., None]
    least, most = OPACITY
    opacity = least + (most - least) * np.sqrt(shades)
    return to_uint8(beneath * (1 - opacity) + colours * opacity)


def colour_bar(width: int, height: int) -> UInt8[np.ndarray, "y x 3"]:
    """All colours, from the minimum to the maximum."""
    shades = np.linspace(0, 1, width)
    row = to_uint8(matplotlib.colormaps[COLOURS](shades)[None, None, :, :3])[0]
    return row.repeat(height, axis=0)


def _squares(
    values: Float[np.ndarray, "frames rows columns"], tubelet: Tubelet
) -> Float[np.ndarray, "t h w"]:
    frames, rows, columns = tubelet
    return values.repeat(frames, axis=0).repeat(rows, axis=1).repeat(columns, axis=2)


def _smooth(
    values: Float[np.ndarray, "frames rows columns"], h: int, w: int
) -> Float[np.ndarray, "frames h w"]:
    """Bicubic interpolation between the centres of tokens."""
    between = interpolate(torch.from_numpy(values)[:, None], (h, w), mode="bicubic")
    return between[:, 0].clamp(0, 1).numpy()
