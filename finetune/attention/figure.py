"""What is drawn of a clip's attention: rows under captions, and what they are of."""

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
    """A strip of all frames, and its name beside others in a film."""

    label: str
    strip: Strip


class AttentionFigure(NamedTuple):
    """Rows for a sheet and a film; `scale` is that of the colours, None where there are none."""

    description: str
    rows: list[FigureRow]
    scale: Scale | None


def draw_attention(
    frames: UInt8[np.ndarray, "t h w 3"], maps: AttentionMaps, config: EncoderConfig, style: str
) -> AttentionFigure:
    """One clip, whose maps are the first of the batch."""
    values = (maps.values[0] / maps.even).float().cpu().numpy()
    what = describe(maps.asked, config)
    rows = [FigureRow("frames", Strip("frames", frames))]
    if style == "classic":
        return AttentionFigure(what, rows + _classic(values, config), None)
    scale = scale_of(values)
    return AttentionFigure(what, rows + _overlaid(frames, values, config, scale), scale)


def describe(asked: AttentionQuery, config: EncoderConfig) -> str:
    """Which attention this is, in a line."""
    last = config.depth - 1
    query = QUERIES[asked.query or "mean"]
    if asked.rollout:
        return f"{query}, rolled out through layers 0 to {asked.layer} (of 0 to {last})"
    heads = "each" if asked.each_head else "mean"
    return f"{query}, layer {asked.layer} (of 0 to {last}), {heads} of {config.num_heads} heads"


def attention_sheet(
    title: str, drawn: AttentionFigure, times: tuple[float, ...], tubelet: int
) -> UInt8[np.ndarray, "y x 3"]:
    """A column for each tubelet, of which the first frame stands for all."""
    strips = [row.strip._replace(frames=row.strip.frames[::tubelet]) for row in drawn.rows]
    columns = [f"{time:.2f} s" for time in times[::tubelet]]
    picture = draw_sheet("", strips, columns)
    parts = [draw_text(title, max(TITLE, picture.shape[1]), FONT_SIZE + 1), picture]
    return stack_sheets(parts + ([_legend(drawn.scale)] if drawn.scale else []))


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
        FigureRow("attention", Strip("over the frames, smoothed", over[0])),
        FigureRow("by token", Strip(f"token by token: black to white is {scale}", squares)),
    ]


def _classic(
    values: Float[np.ndarray, "m frames rows columns"], config: EncoderConfig
) -> list[FigureRow]:
    each_own = "each tile from its own least to its own most"
    names = [f"head {i}, " for i in range(len(values))] if len(values) > 1 else [""]
    return [
        FigureRow(name.strip(", ") or "attention", Strip(f"attention, {name}{each_own}", squares))
        for name, squares in zip(
            names, (grey_by_tile(each, config.tubelet_shape) for each in values), strict=True
        )
    ]


def _legend(scale: Scale) -> UInt8[np.ndarray, "y x 3"]:
    """The colour bar between its ends; what is less or more has the colour of the end."""
    width, height = BAR
    high = f"{scale.high:.2g} times even attention, which gives each token the same"
    left, right = draw_text(f"{scale.low:.2g}", 64), draw_text(high, TITLE - 64 - width)
    bar = np.full((len(left), width, 3), BACKGROUND, dtype=np.uint8)
    bar[4 : 4 + height] = colour_bar(width, height)
    return np.concatenate([left, bar, right], axis=1)
