"""Completions as strips of frames, all on one scale of colours."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from pretrain.reconstruction.reconstruct import Reconstruction
from video.visualize.contact_sheet import draw_sheet, stack_sheets
from video.visualize.strips import Strip, to_uint8

FAR = 0.5  # a difference that is drawn white
BORROWED = ", each hidden patch with the mean and contrast of visible ones near it (no leak)"
TRUE = "completion, each hidden patch with the original's own mean and contrast (a leak)"
DIFFERENCE = f"difference of the completion without leak: black 0, white {FAR} or more"
LABELS = {  # of a film
    "original": "original",
    "seen": "seen",
    "completed": "completion",
    "with_truth": "with the true mean and contrast (a leak)",
    "difference": "difference",
}
FRAMES_SHOWN = 8  # of a clip, or a few more
GAP = 1  # pixels between the frames of the classic style


def strips_of(completion: Reconstruction, number: int, visible_share: float) -> dict[str, Strip]:
    """The rows of a clip of the batch by their names in LABELS, with captions."""
    captions = {
        "original": "original",
        "seen": f"what the encoder saw: {visible_share:.0%} of the patches",
        "completed": "completion" + (BORROWED if completion.with_truth is not None else ""),
        "with_truth": TRUE,
        "difference": DIFFERENCE
        if completion.with_truth is not None
        else DIFFERENCE.replace(" of the completion without leak", ""),
    }
    clips = {
        "original": completion.original,
        "seen": completion.seen,
        "completed": completion.reconstructed,
        "with_truth": completion.with_truth,
        "difference": completion.difference / FAR,
    }
    return {
        name: Strip(captions[name], _bytes(clip[number]))
        for name, clip in clips.items()
        if clip is not None
    }


def reconstruction_sheet(
    completion: Reconstruction, visible_share: float, title: str
) -> UInt8[np.ndarray, "y x 3"]:
    """All clips of a batch below each other, some frames of each."""
    clips, frames = completion.original.shape[:2]
    step = max(1, frames // FRAMES_SHOWN)
    drawn = [strips_of(completion, number, visible_share) for number in range(clips)]
    return stack_sheets(
        [
            draw_sheet(f"{title}, clip {number + 1}", every(list(strips.values()), step))
            for number, strips in enumerate(drawn)
        ]
    )


def every(strips: Sequence[Strip], step: int) -> list[Strip]:
    """The same strips with every so many-th frame."""
    return [strip._replace(frames=strip.frames[::step]) for strip in strips]


def classic_sheet(strips: dict[str, Strip]) -> UInt8[np.ndarray, "y x 3"]:
    """Original, seen and completed: three rows of all frames, one pixel apart, without a word.

    The layout of eminorhan/video-models' pictures, but with one scale for all frames.
    """
    rows = [strips[name].frames for name in ("original", "seen", "completed")]
    padded = [np.pad(row, ((0, 0), (GAP, 0), (GAP, 0), (0, 0))) for row in rows]
    sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in padded])
    return np.pad(sheet, ((0, GAP), (0, GAP), (0, 0)))


def _bytes(clip: Tensor) -> UInt8[np.ndarray, "t h w 3"]:
    return to_uint8(clip.float().cpu().numpy())
