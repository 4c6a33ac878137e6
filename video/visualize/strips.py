"""Strips of frames with a caption, and their text."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
BACKGROUND, TEXT_COLOR, MUTED_COLOR = (255, 255, 255), (33, 37, 41), (110, 117, 125)
FONT_SIZE = 15  # in pixels


class Strip(NamedTuple):
    """Frames of a clip with a caption; all strips of an image have the same number of frames."""

    caption: str
    frames: UInt8[np.ndarray, "t h w 3"]


def to_uint8(pixels: Float[np.ndarray, "t h w c"]) -> UInt8[np.ndarray, "t h w 3"]:
    """Converts pixels in 0..1 to uint8; other values are clipped.

    Pixels without exactly three channels become grey, by the mean of their channels.
    """
    if pixels.shape[-1] != 3:
        pixels = np.repeat(pixels.mean(axis=-1, keepdims=True), 3, axis=-1)
    return (np.clip(pixels, 0, 1) * 255).round().astype(np.uint8)


def upscale(
    frames: UInt8[np.ndarray, "t h w 3"], side: int
) -> UInt8[np.ndarray, "t height width 3"]:
    """Repeats pixels by an integer factor, so that the shorter side is `side` or more."""
    zoom = max(1, -(-side // min(frames.shape[1:3])))
    return frames.repeat(zoom, axis=1).repeat(zoom, axis=2)


def draw_text(
    text: str, width: int, size: int = FONT_SIZE, colour: Colour = TEXT_COLOR
) -> UInt8[np.ndarray, "y x 3"]:
    """Draws text on the background, wrapped to `width`."""
    font = ImageFont.load_default(size=size)
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if font.getlength(longer) + 4 > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    height = size + size // 2
    image = Image.new("RGB", (width, height * len(lines)), BACKGROUND)
    pen = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        pen.text((2, i * height + 1), line, fill=colour, font=font)
    return np.asarray(image)
