"""Attention maps of a clip as an image: rows of frames with captions, and a colour bar."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from encoder.attention_maps import AttentionMaps, AttentionQuery
from encoder.config import EncoderConfig
from finetune.attention.heatmap import Scale, colour_bar, grey, grey_by_tile, overlay, scale_of
from video.visualize.contact_sheet import draw_sheet, stack_sheets
from video.visualize.strips import BACKGROUND, FONT_SIZE, Strip, draw_text

BAR = (240, 14)  # columns and rows of the colour bar, in pixels
QUERIES = {"class": "attention of the class token", "mean": "mean attention of all patches"}
TITLE = 720  # pixels of a title, at least


class FigureRow(NamedTuple):
    """A strip of all frames, and its label in a video."""

    label: str
    strip: Strip


class AttentionFigure(NamedTuple):
    """Rows for an image and a video; `scale` of the colours, None for grey maps."""

    description: str
    rows: list[FigureRow]
    scale: Scale | None


def draw_attention(
    frames: UInt8[np.ndarray, "t h w 3"], maps: AttentionMaps, config: EncoderConfig, style: str
) -> AttentionFigure:
    """Draws the first clip of the batch that `maps` is of."""
    values = (maps.values[0] / maps.uniform).float().cpu().numpy()
    description = describe(maps.query, config)
    rows = [FigureRow("frames", Strip("frames", frames))]
    if style == "classic":
        return AttentionFigure(description, rows + _classic(values, config), None)
    scale = scale_of(values)
    return AttentionFigure(description, rows + _overlaid(frames, values, config, scale), scale)


def describe(attention: AttentionQuery, config: EncoderConfig) -> str:
    """The query, layers and heads in one line."""
    last = config.depth - 1
    query = QUERIES[attention.token or "mean"]
    if attention.rollout:
        return f"{query}, rollout through layers 0 to {attention.layer} (of 0 to {last})"
    heads = "each" if attention.each_head else "mean"
    return f"{query}, layer {attention.layer} (of 0 to {last}), {heads} of {config.num_heads} heads"


def attention_sheet(
    title: str, figure: AttentionFigure, times: tuple[float, ...], tubelet: int
) -> UInt8[np.ndarray, "y x 3"]:
    """One column per tubelet, which shows its first frame."""
    strips = [row.strip._replace(frames=row.strip.frames[::tubelet]) for row in figure.rows]
    columns = [f"{time:.2f} s" for time in times[::tubelet]]
    image = draw_sheet("", strips, columns)
    parts = [draw_text(title, max(TITLE, image.shape[1]), FONT_SIZE + 1), image]
    return stack_sheets(parts + ([_legend(figure.scale)] if figure.scale else []))


def _overlaid(
    frames: UInt8[np.ndarray, "t h w 3"],
    values: Float[np.ndarray, "m frames rows columns"],
    config: EncoderConfig,
    scale: Scale,
) -> list[FigureRow]:
    over = [overlay(frames, each, scale) for each in values]
    if len(values) > 1:
        return [FigureRow(f"head {i}", Strip(f"head {i}", each)) for i, each in enumerate(over)]
    squares = grey(values[0], scale, config.tubelet_shape)
    return [
        FigureRow("attention", Strip("overlay, smoothed", over[0])),
        FigureRow("by token", Strip(f"by token: black to white is {scale}", squares)),
    ]


def _classic(
    values: Float[np.ndarray, "m frames rows columns"], config: EncoderConfig
) -> list[FigureRow]:
    scaled = "each tile from its minimum to its maximum"
    names = [f"head {i}, " for i in range(len(values))] if len(values) > 1 else [""]
    return [
        FigureRow(name.strip(", ") or "attention", Strip(f"attention, {name}{scaled}", squares))
        for name, squares in zip(
            names, (grey_by_tile(each, config.tubelet_shape) for each in values), strict=True
        )
    ]


def _legend(scale: Scale) -> UInt8[np.ndarray, "y x 3"]:
    """The colour bar and its bounds; values outside have the colour of the bound."""
    width, height = BAR
    high = f"{scale.high:.2g} times uniform attention"
    left, right = draw_text(f"{scale.low:.2g}", 64), draw_text(high, TITLE - 64 - width)
    bar = np.full((len(left), width, 3), BACKGROUND, dtype=np.uint8)
    bar[4 : 4 + height] = colour_bar(width, height)
    return np.concatenate([left, bar, right], axis=1)
