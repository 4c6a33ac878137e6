"""A film: strips next to each other, in several lines if there are many, in real time."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from video.encode import write_h264
from video.visualize.strips import BACKGROUND, Strip, draw_text, upscale

SIDE = 224  # minimum pixels of a frame
GAP = 8
STRIPS_PER_LINE = 5
SECONDS = 6.0  # a shorter clip is repeated up to this length
HIGH_QUALITY = {"preset": "medium", "crf": "16", "g": "16"}


def write_film(
    file: Path, strips: Sequence[Strip], times: Sequence[float], labels: Sequence[str] = ()
) -> None:
    """`times`: seconds of the frames, ascending or all equal; `labels`: instead of captions.

    Raises OSError, for example on a full disk.
    """
    images = list(_compose(strips, labels or [strip.caption for strip in strips]))
    step = (times[-1] - times[0]) / max(len(times) - 1, 1) or 1.0
    rounds = max(1, round(SECONDS / (step * len(images))))
    frames = ((n * step, image) for n, image in enumerate(images * rounds))
    write_h264(file, frames, 1 / step, HIGH_QUALITY)


def _compose(
    strips: Sequence[Strip], labels: Sequence[str]
) -> Iterator[UInt8[np.ndarray, "y x 3"]]:
    panels = [upscale(strip.frames, SIDE) for strip in strips]
    texts = [draw_text(label, panels[0].shape[2]) for label in labels]
    head = max(text.shape[0] for text in texts)
    columns = [_below(text, head, panel) for text, panel in zip(texts, panels, strict=True)]
    lines = [
        columns[first : first + STRIPS_PER_LINE]
        for first in range(0, len(columns), STRIPS_PER_LINE)
    ]
    lines[-1] += [np.full_like(columns[0], 255)] * (len(lines[0]) - len(lines[-1]))
    for number in range(len(panels[0])):
        rows = [np.concatenate([column[number] for column in line], axis=1) for line in lines]
        image = np.concatenate(rows)
        height, width = image.shape[:2]
        even = ((0, height % 2), (0, width % 2), (0, 0))  # H.264 needs even sizes
        yield np.pad(image, even, constant_values=255)


def _below(
    text: UInt8[np.ndarray, "y x 3"], head: int, frames: UInt8[np.ndarray, "t h x 3"]
) -> UInt8[np.ndarray, "t height width 3"]:
    """The frames of a panel, each below its label, with a gap on the right."""
    t, h, w = frames.shape[:3]
    panel = np.full((t, head + h, w + GAP, 3), BACKGROUND, dtype=np.uint8)
    panel[:, : text.shape[0], :w] = text
    panel[:, head:, :w] = frames
    return panel
