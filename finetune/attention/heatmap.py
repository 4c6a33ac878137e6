"""Attention maps as rows of a picture: over the frames, and as grey maps."""

from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch.nn.functional import interpolate

from encoder.config import Tubelet
from video.visualize.strips import to_uint8

COLOURS = "inferno"  # perceptually uniform, and told apart by those who are colour-blind
BOUNDS = (0.5, 99.5)  # percentiles: a few tokens that take very much would leave the rest black
OPACITY = (0.15, 0.8)  # of the colour over a frame, least and most attention
LEAST_SPAN = 0.1  # of a scale, so that even attention does not show its rounding errors
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


class Scale(NamedTuple):
    """Attention that is drawn darkest and lightest, in multiples of even attention."""

    low: float
    high: float

    def of(self, values: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """Values as 0 to 1."""
        return np.clip((values - self.low) / (self.high - self.low), 0, 1)

    def __str__(self) -> str:
        return f"{self.low:.2g} to {self.high:.2g} times even attention"


def scale_of(values: Float[np.ndarray, "*n"]) -> Scale:
    """One scale for all tiles of a picture."""
    low, high = map(float, np.percentile(values, BOUNDS))
    missing = max(0.0, LEAST_SPAN - (high - low)) / 2
    return Scale(low - missing, high + missing)


def grey(
    values: Float[np.ndarray, "frames rows columns"], scale: Scale, tubelet: Tubelet
) -> UInt8[np.ndarray, "t h w 3"]:
    """Every token as the square that it is of."""
    return to_uint8(_squares(scale.of(values), tubelet)[..., None])


def grey_by_tile(
    values: Float[np.ndarray, "frames rows columns"], tubelet: Tubelet
) -> UInt8[np.ndarray, "t h w 3"]:
    """The same, but each frame from its own least to its own most, so none compares to another."""
    low, high = values.min((1, 2), keepdims=True), values.max((1, 2), keepdims=True)
    tiles = (values - low) / np.maximum(high - low, 1e-12)
    return to_uint8(_squares(tiles, tubelet)[..., None])


def overlay(
    frames: UInt8[np.ndarray, "t h w 3"],
    values: Float[np.ndarray, "frames rows columns"],
    scale: Scale,
) -> UInt8[np.ndarray, "t h w 3"]:
    """Colour over the frames without theirs, for tissue has that of much attention."""
    t, h, w = frames.shape[:3]
    shades = _smooth(scale.of(values), h, w).repeat(t // len(values), axis=0)[..., None]
    colours = matplotlib.colormaps[COLOURS](shades[..., 0])[..., :3]
    beneath = (frames / 255 @ np.array(LUMA))[..., None]
    least, most = OPACITY
    opacity = least + (most - least) * np.sqrt(shades)
    return to_uint8(beneath * (1 - opacity) + colours * opacity)


def colour_bar(width: int, height: int) -> UInt8[np.ndarray, "y x 3"]:
    """All colours from the least to the most."""
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
    """Between the middles of tokens by cubics, which draw no star around a single bright one."""
    between = interpolate(torch.from_numpy(values)[:, None], (h, w), mode="bicubic")
    return between[:, 0].clamp(0, 1).numpy()
