"""Pictures of masks: for each sample its token frames side by side, coloured by what happens."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image, ImageDraw, ImageFont

from masking.dual import Counts, Masks
from masking.grid import Grid

Colour = tuple[int, int, int]


class Fate(NamedTuple):
    """What happens to a token, and how the picture shows it."""

    name: str
    colour: Colour


# Okabe and Ito's colours, which colour-blind readers can tell apart.
FATES = (
    Fate("hidden, not decoded", (214, 218, 223)),
    Fate("hidden and decoded: in the loss", (0, 114, 178)),
    Fate("visible to the encoder", (240, 196, 25)),
    Fate("visible and decoded: no loss, wasted", (213, 94, 0)),
)
INK, FAINT, PAPER = (33, 37, 41), (110, 117, 125), (255, 255, 255)
MARGIN, GAP, FRAME_GAP, WIDTH = 28, 12, 10, 1600
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 24, 18, 15


def fates(masks: Masks, tokens: int) -> Int64[np.ndarray, "b n"]:
    """Which row of FATES each token has: 2 if visible, plus 1 if decoded."""
    codes = np.zeros((len(masks.visible), tokens), dtype=np.int64)
    np.put_along_axis(codes, masks.visible, 2, axis=1)
    decoded = np.take_along_axis(codes, masks.decoded, axis=1) + 1
    np.put_along_axis(codes, masks.decoded, decoded, axis=1)
    return codes


def draw_masks(grid: Grid, masks: Masks, counts: Counts, title: str) -> Image.Image:
    """A strip of token frames for each sample, under a title, the counts and a legend."""
    frames, rows, columns = grid
    side = max(2, min(24, (WIDTH - 2 * MARGIN - (frames - 1) * FRAME_GAP) // (frames * columns)))
    strip_width = frames * columns * side + (frames - 1) * FRAME_GAP
    strip_height = 2 * (SMALL_SIZE + GAP) + rows * side
    legend = _legend(counts)
    top = MARGIN + TITLE_SIZE + GAP + TEXT_SIZE + 2 * GAP + legend.height + GAP
    height = top + len(masks.visible) * strip_height + MARGIN
    title_width = int(ImageFont.load_default(size=TITLE_SIZE).getlength(title))
    width = 2 * MARGIN + max(strip_width, legend.width, title_width)
    picture = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(picture)
    _write(pen, MARGIN, MARGIN, title, TITLE_SIZE, INK)
    _write(pen, MARGIN, MARGIN + TITLE_SIZE + GAP, _caption(counts), TEXT_SIZE, FAINT)
    picture.paste(legend, (MARGIN, MARGIN + TITLE_SIZE + TEXT_SIZE + 3 * GAP))
    for sample, codes in enumerate(fates(masks, counts.tokens).reshape(-1, *grid)):
        y = top + sample * strip_height
        for t, frame in enumerate(codes):
            x = MARGIN + t * (columns * side + FRAME_GAP)
            label = f"sample {sample}, frame 0" if t == 0 else str(t)
            if t == 0 or columns * side > 2 * SMALL_SIZE:
                _write(pen, x, y, label, SMALL_SIZE, FAINT)
            picture.paste(Image.fromarray(_tiles(frame, side)), (x, y + SMALL_SIZE + GAP // 2))
    return picture


def _tiles(frame: Int64[np.ndarray, "rows columns"], side: int) -> UInt8[np.ndarray, "h w 3"]:
    """One token frame in colours, a thin paper line between tokens where there is room for it."""
    colours = np.array([fate.colour for fate in FATES], dtype=np.uint8)
    pixels = colours[frame].repeat(side, axis=0).repeat(side, axis=1)
    if side >= 5:
        pixels[side - 1 :: side] = PAPER
        pixels[:, side - 1 :: side] = PAPER
    return pixels


def _legend(counts: Counts) -> Image.Image:
    wasted = counts.decoded - counts.loss
    tokens = (
        counts.tokens - counts.visible - counts.loss,
        counts.loss,
        counts.visible - wasted,
        wasted,
    )
    font, box = ImageFont.load_default(size=TEXT_SIZE), TEXT_SIZE
    labels = [f"{fate.name} ({number})" for fate, number in zip(FATES, tokens, strict=True)]
    widths = [box + GAP + int(font.getlength(label)) + 3 * GAP for label in labels]
    legend = Image.new("RGB", (sum(widths), TEXT_SIZE + GAP), PAPER)
    pen = ImageDraw.Draw(legend)
    x = 0
    for fate, label, width in zip(FATES, labels, widths, strict=True):
        pen.rectangle((x, 2, x + box, 2 + box), fill=fate.colour)
        _write(pen, x + box + GAP, 0, label, TEXT_SIZE, INK)
        x += width
    return legend


def _caption(counts: Counts) -> str:
    return (
        f"{counts.tokens} tokens a clip: {counts.visible} visible, {counts.decoded} decoded, "
        f"{counts.loss} in the loss"
    )


def _write(
    pen: ImageDraw.ImageDraw, x: float, y: float, text: str, size: int, colour: Colour
) -> None:
    pen.text((x, y), text, fill=colour, font=ImageFont.load_default(size=size))
