"""A contact sheet: a row for each strip, a column for each frame."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from video.visualize.strips import BACKGROUND, FONT_SIZE, MUTED_COLOR, Strip, draw_text, upscale

SIDE = 128  # minimum pixels of a frame
GAP = 4


def draw_sheet(
    title: str, strips: Sequence[Strip], columns: Sequence[str] = ()
) -> UInt8[np.ndarray, "y x 3"]:
    """`columns`: text above each frame, such as its time."""
    height, tile = upscale(strips[0].frames, SIDE).shape[1:3]
    width = len(strips[0].frames) * (tile + GAP)
    parts = [draw_text(title, width, FONT_SIZE + 3)] if title else []
    if columns:
        cells = [draw_text(text, tile + GAP, FONT_SIZE - 2, MUTED_COLOR) for text in columns]
        parts.append(np.concatenate([cell[: FONT_SIZE + 6] for cell in cells], axis=1))
    for strip in strips:
        parts.append(draw_text(strip.caption, width))
        sheet = np.full((height + GAP, width, 3), BACKGROUND, dtype=np.uint8)
        for column, frame in enumerate(upscale(strip.frames, SIDE)):
            left = column * (tile + GAP)
            sheet[:height, left : left + tile] = frame
        parts.append(sheet)
    return np.concatenate(parts)


def stack_sheets(sheets: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> UInt8[np.ndarray, "y x 3"]:
    """Stacks sheets vertically."""
    width = max(sheet.shape[1] for sheet in sheets)
    padded = [
        np.pad(sheet, ((0, 0), (0, width - sheet.shape[1]), (0, 0)), constant_values=255)
        for sheet in sheets
    ]
    return np.concatenate(padded)
