"""Crops in the field of view, and which cells of a crop it covers."""

import numpy as np
from jaxtyping import Bool

from video.config import Augmentation
from video.multiscale_crop import Box, draw_crop
from video.recording import FieldOfView

POINTS = 4  # sample points along each side of a cell


def inside_cells(
    view: FieldOfView | None, height: int, width: int, box: Box, cells: tuple[int, int]
) -> Bool[np.ndarray, "rows columns"]:
    """For a crop divided into rows and columns, whether the field of view touches each cell.

    The box is in pixels of a frame of `height` by `width`. Without a field of view, all are inside.
    """
    if view is None:
        return np.ones(cells, dtype=bool)
    rows, columns = (POINTS * number for number in cells)
    y = (box.top + (np.arange(rows) + 0.5) / rows * box.height) / height
    # columns are also in units of the height
    x = (box.left + (np.arange(columns) + 0.5) / columns * box.width) / height
    points = view.contains(*np.meshgrid(y, x, indexing="ij"))
    by_cell = points.reshape(cells[0], POINTS, cells[1], POINTS)
    return np.logical_or.reduce(by_cell, axis=(1, 3))


def centred_crop(view: FieldOfView, height: int, width: int, rows: int, columns: int) -> Box:
    """The largest crop with the input's proportions, as close to the view's centre as possible."""
    largest = min(height / rows, width / columns)
    box_height, box_width = max(int(rows * largest), 1), max(int(columns * largest), 1)
    top, left, bottom, right = (edge * height for edge in view.box(width / height))
    row = min(max(round((top + bottom - box_height) / 2), 0), height - box_height)
    column = min(max(round((left + right - box_width) / 2), 0), width - box_width)
    return Box(row, column, box_height, box_width)


def draw_crop_inside(
    augmentation: Augmentation,
    view: FieldOfView | None,
    height: int,
    width: int,
    rows: int,
    columns: int,
    cells: tuple[int, int],
    min_inside: float,
    rng: np.random.Generator,
) -> tuple[Box, Bool[np.ndarray, "rows columns"]]:
    """A random crop and its cells inside; the centred crop if fewer than `min_inside` are."""
    box = draw_crop(augmentation, height, width, rows, columns, rng)
    inside = inside_cells(view, height, width, box, cells)
    if view is not None and inside.mean() < min_inside:
        box = centred_crop(view, height, width, rows, columns)
        inside = inside_cells(view, height, width, box, cells)
    return box, inside
