"""Reconstructions as a picture: original, what the encoder saw, what the decoder made of it."""

from collections.abc import Callable

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int64, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from encoder.config import EncoderConfig
from encoder.tubelets import join_tubelets, split_tubelets, unit_pixels
from pretrain.config import TargetConfig
from pretrain.data import PretrainBatch
from pretrain.objective import hidden_from_encoder
from pretrain.targets import build_target

GREY = 0.5
MARGIN, CAPTION = 4, 22  # pixels
SIDE = 112  # of a frame on the sheet, at least
Predict = Callable[[Tensor, Tensor, Tensor], Tensor]


def hidden_tokens(visible: Int64[Tensor, "b v"], tokens: int) -> Int64[Tensor, "b k"]:
    """The tokens that are not visible, ascending."""
    hidden = hidden_from_encoder(visible, tokens)
    return hidden.nonzero()[:, 1].reshape(len(visible), -1)


@torch.no_grad()
def reconstruct(
    predict: Predict, batch: PretrainBatch, encoder: EncoderConfig, target: TargetConfig
) -> tuple[Float[Tensor, "b t h w c"], Float[Tensor, "b t h w c"], Float[Tensor, "b t h w c"]]:
    """Original, seen and reconstructed clips, pixels in 0..1.

    Every token that the encoder did not see is decoded. A prediction of normalised pixels is given
    the mean and deviation of the true tubelet, for it holds neither; the caption must say so.
    """
    hidden = hidden_tokens(batch.visible, encoder.tokens)
    prediction = predict(batch.clip, batch.visible, hidden).float()
    pixels = build_target(batch.clip, hidden, encoder, target).pixels(prediction).clamp(0, 1)
    original = unit_pixels(split_tubelets(batch.clip, encoder.tubelet_shape))
    index = hidden.unsqueeze(-1).expand_as(pixels)
    seen = original.scatter(1, index, torch.full_like(pixels, GREY))
    filled = original.scatter(1, index, pixels)
    original, seen, filled = (
        join_tubelets(x, encoder.tubelet_shape, encoder.grid) for x in (original, seen, filled)
    )
    return original, seen, filled


def reconstruction_sheet(
    clips: tuple[Tensor, ...], visible_share: float, tubelet: int, normalised: bool, title: str
) -> UInt8[np.ndarray, "y x c"]:
    """Rows original, seen and reconstructed under a caption each; a column for each tubelet."""
    # normalised pixels do not tell a patch's mean and contrast, so these are the original's
    how = ", in each hidden patch with the original's mean and contrast" if normalised else ""
    captions = (
        f"original   {title}",
        f"what the encoder saw: {visible_share:.0%} of the patches",
        f"reconstruction{how}",
    )
    rows = []
    for clip in range(len(clips[0])):
        for frames, caption in zip(clips, captions, strict=True):
            rows.append(_caption(caption, frames[clip, ::tubelet]))
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    return np.concatenate(padded)


def _caption(text: str, frames: Float[Tensor, "t h w c"]) -> UInt8[np.ndarray, "y x c"]:
    """One row of frames, enlarged to a size that a person can see, below its caption."""
    zoom = -(-SIDE // min(frames.shape[1:3]))
    pixels = (frames.cpu() * 255).round().to(torch.uint8).numpy()
    if pixels.shape[-1] != 3:  # other numbers of channels are shown by their mean
        pixels = np.repeat(pixels.mean(axis=-1, keepdims=True).astype(np.uint8), 3, axis=-1)
    pixels = pixels.repeat(zoom, axis=1).repeat(zoom, axis=2)
    pixels = np.pad(pixels, ((0, 0), (0, MARGIN), (0, MARGIN), (0, 0)))
    strip = rearrange(pixels, "t h w c -> h (t w) c")
    header = Image.new("RGB", (strip.shape[1], CAPTION))
    font = ImageFont.load_default(size=14)
    ImageDraw.Draw(header).text((2, 2), text, fill=(255, 255, 255), font=font)
    return np.concatenate([np.asarray(header), strip])
