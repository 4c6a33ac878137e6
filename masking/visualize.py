"""Images of masks: the token frames of a sample side by side, each token coloured by its state."""

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image, ImageDraw, ImageFont

from masking.dual import Counts, Masks
from masking.grid import Grid

Colour = tuple[int, int, int]


class TokenState(NamedTuple):
    """Whether a token is visible and decoded, and its colour in the image."""

    name: str
    colour: Colour


# The colour-blind safe palette of Okabe and Ito.
TOKEN_STATES = (
    TokenState("hidden, not decoded", (214, 218, 223)),
    TokenState("hidden and decoded: in the loss", (0, 114, 178)),
    TokenState("visible to the encoder", (240, 196, 25)),
    TokenState("visible and decoded: no loss, wasted", (213, 94, 0)),
)
FOREGROUND, MUTED, BACKGROUND = (33, 37, 41), (110, 117, 125), (255, 255, 255)
MARGIN, GAP, WIDTH, FRAMES_PER_ROW = 28, 12, 1600, 8
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 24, 18, 15


def token_states(masks: Masks, tokens: int) -> Int64[np.ndarray, "b n"]:
    """Index into TOKEN_STATES of each token: 2 if visible, plus 1 if decoded."""
    codes = np.zeros((len(masks.visible), tokens), dtype=np.int64)
    np.put_along_axis(codes, masks.visible, 2, axis=1)
    decoded = np.take_along_axis(codes, masks.decoded, axis=1) + 1
    np.put_along_axis(codes, masks.decoded, decoded, axis=1)
    return codes


def draw_masks(grid: Grid, masks: Masks, counts: Counts, title: str) -> Image.Image:
    """The token frames of each sample in rows of eight, below a title, the counts and a legend."""
    samples = token_states(masks, counts.tokens).reshape(-1, *grid)
    parts = [_text(title, TITLE_SIZE, FOREGROUND), _text(_caption(counts), TEXT_SIZE, MUTED)]
    parts.append(_legend(counts))
    for number, codes in enumerate(samples):
        parts.append(_text(f"sample {number}", TEXT_SIZE, FOREGROUND))
        parts += [
            _frame_row(codes[first : first + FRAMES_PER_ROW], first)
            for first in range(0, grid[0], FRAMES_PER_ROW)
        ]
    width = max(part.width for part in parts) + 2 * MARGIN
    height = sum(part.height + GAP for part in parts) - GAP + 2 * MARGIN
    image = Image.new("RGB", (width, height), BACKGROUND)
    y = MARGIN
    for part in parts:
        image.paste(part, (MARGIN, y))
        y += part.height + GAP
    return image


def _frame_row(codes: Int64[np.ndarray, "frames rows columns"], first: int) -> Image.Image:
    """Token frames side by side, each below its number; `first` is the number of the leftmost."""
    _, rows, columns = codes.shape
    available = WIDTH - 2 * MARGIN - (FRAMES_PER_ROW - 1) * GAP
    side = max(2, min(24, available // (FRAMES_PER_ROW * columns)))
    pitch, label_height = max(columns * side, 2 * SMALL_SIZE) + GAP, SMALL_SIZE + GAP // 2
    line = Image.new("RGB", (len(codes) * pitch, label_height + rows * side), BACKGROUND)
    pen = ImageDraw.Draw(line)
    for i, frame in enumerate(codes):
        label = f"frame {first + i}" if pitch > 6 * SMALL_SIZE else str(first + i)
        _write(pen, i * pitch, 0, label, SMALL_SIZE, MUTED)
        line.paste(Image.fromarray(_tiles(frame, side)), (i * pitch, label_height))
    return line


def _tiles(frame: Int64[np.ndarray, "rows columns"], side: int) -> UInt8[np.ndarray, "h w 3"]:
    """One token frame in colours, with a thin line between tokens that are large enough."""
    colours = np.array([state.colour for state in TOKEN_STATES], dtype=np.uint8)
    pixels = colours[frame].repeat(side, axis=0).repeat(side, axis=1)
    if side >= 5:
        pixels[side - 1 :: side] = BACKGROUND
        pixels[:, side - 1 :: side] = BACKGROUND
    return pixels


def _legend(counts: Counts) -> Image.Image:
    """A square, a name and a token count for each state that occurs."""
    wasted = counts.decoded - counts.loss
    tokens = (
        counts.tokens - counts.visible - counts.loss,
        counts.loss,
        counts.visible - wasted,
        wasted,
    )
    entries = [
        (state, number) for state, number in zip(TOKEN_STATES, tokens, strict=True) if number
    ]
    labels = [_text(f"{state.name} ({number})", TEXT_SIZE, FOREGROUND) for state, number in entries]
    box = TEXT_SIZE
    width = sum(box + GAP + label.width + 3 * GAP for label in labels)
    legend = Image.new("RGB", (width, labels[0].height + GAP), BACKGROUND)
    pen = ImageDraw.Draw(legend)
    x = 0
    for (state, _), label in zip(entries, labels, strict=True):
        pen.rectangle((x, 2, x + box, 2 + box), fill=state.colour)
        legend.paste(label, (x + box + GAP, 0))
        x += box + GAP + label.width + 3 * GAP
    return legend


def _caption(counts: Counts) -> str:
    return (
        f"{counts.tokens} tokens per clip: {counts.visible} visible, {counts.decoded} decoded, "
        f"{counts.loss} in the loss"
    )


def _text(text: str, size: int, colour: Colour) -> Image.Image:
    width = int(_font(size).getlength(text)) + 1
    line = Image.new("RGB", (width, size + size // 3), BACKGROUND)
    _write(ImageDraw.Draw(line), 0, 0, text, size, colour)
    return line


def _write(pen: ImageDraw.ImageDraw, x: int, y: int, text: str, size: int, colour: Colour) -> None:
    pen.text((x, y), text, fill=colour, font=_font(size))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)
