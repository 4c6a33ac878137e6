"""Multi-scale crops and horizontal flips, drawn once per clip."""

from typing import NamedTuple

import numpy as np
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor

from video.config import Augmentation

SNAP = 2  # pixels: a side this close to the input size is set to it, to avoid resampling


class Box(NamedTuple):
    """A rectangle of a frame, in pixels."""

    top: int
    left: int
    height: int
    width: int


def crop_sizes(
    augmentation: Augmentation, height: int, width: int, rows: int, columns: int
) -> list[tuple[int, int]]:
    """Heights and widths of the crops of a frame of `height` by `width`.

    The largest box with the proportions of the input (`rows` by `columns`), times the scales;
    height and width may differ by `max_distort` scales (TSN: Wang et al., 2016, section 3.1.3).
    """
    largest = min(height / rows, width / columns)
    heights = [_snap(int(rows * largest * scale), rows) for scale in augmentation.scales]
    widths = [_snap(int(columns * largest * scale), columns) for scale in augmentation.scales]
    return [
        (h, w)
        for i, h in enumerate(heights)
        for j, w in enumerate(widths)
        if abs(i - j) <= augmentation.max_distort
    ]


def _snap(side: int, wanted: int) -> int:
    return wanted if abs(side - wanted) <= SNAP else max(side, 1)


def crop_corners(height: int, width: int, box_height: int, box_width: int) -> list[tuple[int, int]]:
    """The 13 positions (top, left) of a box: a 3 by 3 lattice and the centres of its cells."""
    down, right = (height - box_height) // 4, (width - box_width) // 4
    lattice = [(i, j) for i in (0, 2, 4) for j in (0, 2, 4)]
    centres = [(i, j) for i in (1, 3) for j in (1, 3)]
    return [(i * down, j * right) for i, j in lattice + centres]


def draw_crop(
    augmentation: Augmentation,
    height: int,
    width: int,
    rows: int,
    columns: int,
    rng: np.random.Generator,
) -> Box:
    """A size and a position, each uniform over its choices."""
    sizes = crop_sizes(augmentation, height, width, rows, columns)
    box_height, box_width = sizes[rng.integers(len(sizes))]
    corners = crop_corners(height, width, box_height, box_width)
    return Box(*corners[rng.integers(len(corners))], box_height, box_width)


def decoded_size(
    augmentation: Augmentation, height: int, width: int, rows: int, columns: int
) -> tuple[int, int]:
    """The size at which frames are decoded, so that the smallest crop has the input's resolution.

    A smaller recording is decoded at its own size.
    """
    covering = max(rows / height, columns / width)
    factor = min(covering / min(augmentation.scales), 1.0)
    return max(round(height * factor), 1), max(round(width * factor), 1)


def apply_crop(
    clip: UInt8[Tensor, "t h w c"], box: Box, rows: int, columns: int, flipped: bool
) -> UInt8[Tensor, "t rows columns c"]:
    """Crops every frame to a box and resizes it to `rows` by `columns`."""
    top, left, height, width = box
    part = clip[:, top : top + height, left : left + width]
    if (height, width) != (rows, columns):
        # channels-last strides: uint8 is resampled about ten times faster
        nchw = part.permute(0, 3, 1, 2)
        scaled = F.interpolate(nchw, (rows, columns), mode="bilinear", antialias=True)
        part = scaled.permute(0, 2, 3, 1)
    return part.flip(2) if flipped else part
