"""Reconstructions as strips of frames, all on one colour scale."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from pretrain.reconstruction.reconstruct import Reconstruction
from video.visualize.contact_sheet import draw_sheet, stack_sheets
from video.visualize.strips import Strip, to_uint8

WHITE_DIFFERENCE = 0.5  # drawn as white
NEARBY = ", mean and contrast of each hidden patch interpolated from visible ones"
CAPTIONS = {
    "original": "original",
    "masked": "encoder input: {visible:.0%} of the patches visible",
    "target": "target",
    "reconstructed": "reconstruction",
    "with_true_statistics": "reconstruction with the true mean and contrast of each hidden patch "
    "(uses the original)",
    "difference": "difference: black 0, white {white} or more",
}
LABELS = {  # of a film
    "original": "original",
    "masked": "encoder input",
    "target": "target",
    "reconstructed": "reconstruction",
    "with_true_statistics": "with true mean and contrast",
    "difference": "difference",
}
FRAMES_SHOWN = 8  # at least, where a clip has them
GAP = 1  # pixels between the frames of the classic style


def strips_of(result: Reconstruction, number: int, visible_share: float) -> dict[str, Strip]:
    """The rows of a clip of the batch with captions, by their names in LABELS."""
    strips = {}
    for name, caption in CAPTIONS.items():
        clip = getattr(result, name)
        if clip is None:
            continue
        if name == "difference":
            clip = clip / WHITE_DIFFERENCE
        caption = caption.format(visible=visible_share, white=WHITE_DIFFERENCE)
        if name == "reconstructed" and result.with_true_statistics is not None:
            caption += NEARBY
        strips[name] = Strip(caption, _bytes(clip[number]))
    return strips


def reconstruction_sheet(
    result: Reconstruction, visible_share: float, title: str
) -> UInt8[np.ndarray, "y x 3"]:
    """All clips of a batch below each other, about FRAMES_SHOWN frames of each."""
    clips, frames = result.original.shape[:2]
    step = max(1, frames // FRAMES_SHOWN)
    drawn = [strips_of(result, number, visible_share) for number in range(clips)]
    return stack_sheets(
        [
            draw_sheet(f"{title}, clip {number + 1}", every(list(strips.values()), step))
            for number, strips in enumerate(drawn)
        ]
    )


def every(strips: Sequence[Strip], step: int) -> list[Strip]:
    """The strips with every `step`-th frame."""
    return [strip._replace(frames=strip.frames[::step]) for strip in strips]


def classic_sheet(strips: dict[str, Strip]) -> UInt8[np.ndarray, "y x 3"]:
    """Original, encoder input and reconstruction: three rows of all frames without captions.

    The layout of the images in eminorhan/video-models, with one colour scale for all frames.
    """
    rows = [strips[name].frames for name in ("original", "masked", "reconstructed")]
    padded = [np.pad(row, ((0, 0), (GAP, 0), (GAP, 0), (0, 0))) for row in rows]
    sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in padded])
    return np.pad(sheet, ((0, GAP), (0, GAP), (0, 0)))


def _bytes(clip: Tensor) -> UInt8[np.ndarray, "t h w 3"]:
    return to_uint8(clip.float().cpu().numpy())
