"""Pixels of a clip to tubelets and back; normalisation."""

from functools import lru_cache

import torch
from einops import rearrange
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from encoder.config import Grid, Tubelet


def split_tubelets(clip: Shaped[Tensor, "b t h w c"], tubelet: Tubelet) -> Shaped[Tensor, "b n p"]:
    """Clips as flattened tubelets, in the order (frame, row, column), channels last."""
    t, h, w = tubelet
    return rearrange(clip, "b (n1 t) (n2 h) (n3 w) c -> b (n1 n2 n3) (t h w c)", t=t, h=h, w=w)


def join_tubelets(
    tubelets: Shaped[Tensor, "b n p"], tubelet: Tubelet, grid: Grid
) -> Shaped[Tensor, "b t h w c"]:
    """The inverse of `split_tubelets`."""
    (t, h, w), (n1, n2, n3) = tubelet, grid
    return rearrange(
        tubelets,
        "b (n1 n2 n3) (t h w c) -> b (n1 t) (n2 h) (n3 w) c",
        n1=n1,
        n2=n2,
        n3=n3,
        t=t,
        h=h,
        w=w,
    )


def gather_tokens(
    tokens: Shaped[Tensor, "b n x"], index: Int64[Tensor, "b k"]
) -> Shaped[Tensor, "b k x"]:
    """Tokens of each clip at its own indices, in their order."""
    clips, count, _ = tokens.shape
    first = torch.arange(0, clips * count, count, device=index.device)
    # index_select copies whole rows; gather would read an index per value
    rows = tokens.flatten(0, 1).index_select(0, (index + first[:, None]).flatten())
    return rows.unflatten(0, index.shape)


def unit_pixels(values: Shaped[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Float32 pixels in 0..1: bytes are divided by 255, floats are unchanged."""
    return values.float() / 255 if values.dtype == torch.uint8 else values.float()


def standardise(
    values: Float[Tensor, "b n p"], mean: tuple[float, ...], std: tuple[float, ...]
) -> Float[Tensor, "b n p"]:
    """Subtracts each channel's mean and divides by its standard deviation (pixels in 0..1)."""
    channels = rearrange(values, "b n (x c) -> b n x c", c=len(mean))
    scaled = (channels - per_channel(mean, values.device)) / per_channel(std, values.device)
    return rearrange(scaled, "b n x c -> b n (x c)")


# Not a buffer of a module: it would be cast to bfloat16 with the model, an error of 0.2 %.
@lru_cache(maxsize=32)
def per_channel(values: tuple[float, ...], device: torch.device) -> Float[Tensor, " c"]:
    """One number per channel on a device; cached."""
    return torch.tensor(values, device=device)
