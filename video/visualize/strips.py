"""What is shown: rows of frames under a caption each."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
BACKGROUND, TEXT_COLOR, MUTED_COLOR = (255, 255, 255), (33, 37, 41), (110, 117, 125)
FONT_SIZE = 15  # pixels


class Strip(NamedTuple):
    """Frames of a clip, and what they are; all strips of a picture have as many."""

    caption: str
    frames: UInt8[np.ndarray, "t h w 3"]


def to_uint8(pixels: Float[np.ndarray, "t h w c"]) -> UInt8[np.ndarray, "t h w 3"]:
    """Pixels in 0..1, which black and white bound for every frame alike.

    What has not three channels is shown as grey, by their mean.
    """
    if pixels.shape[-1] != 3:
        pixels = np.repeat(pixels.mean(axis=-1, keepdims=True), 3, axis=-1)
    return (np.clip(pixels, 0, 1) * 255).round().astype(np.uint8)


def upscale(
    frames: UInt8[np.ndarray, "t h w 3"], side: int
) -> UInt8[np.ndarray, "t height width 3"]:
    """Each pixel as a square of so many that the shorter side is `side` or more."""
    zoom = max(1, -(-side // min(frames.shape[1:3])))
    return frames.repeat(zoom, axis=1).repeat(zoom, axis=2)


def draw_text(
    text: str, width: int, size: int = FONT_SIZE, colour: Colour = TEXT_COLOR
) -> UInt8[np.ndarray, "y x 3"]:
    """Text on paper; what is wider than `width` goes on in further lines."""
    font = ImageFont.load_default(size=size)
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if font.getlength(longer) + 4 > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    height = size + size // 2
    picture = Image.new("RGB", (width, height * len(lines)), BACKGROUND)
    pen = ImageDraw.Draw(picture)
    for i, line in enumerate(lines):
        pen.text((2, i * height + 1), line, fill=colour, font=font)
    return np.asarray(picture)
