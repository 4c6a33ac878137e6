"""From a clip of pixels to the values of chosen tubelets, and back."""

from functools import lru_cache

import torch
from einops import rearrange
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from encoder.config import Grid, Tubelet


def split_tubelets(clip: Shaped[Tensor, "b t h w c"], tubelet: Tubelet) -> Shaped[Tensor, "b n p"]:
    """Cuts clips into tubelets; tokens run over (frame, row, column), values end with channels."""
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
    """Rows of each clip at its own indices, in their order."""
    clips, count, _ = tokens.shape
    first = torch.arange(0, clips * count, count, device=index.device)
    # whole rows are copied; gathering by element would read an index for every value
    rows = tokens.flatten(0, 1).index_select(0, (index + first[:, None]).flatten())
    return rows.unflatten(0, index.shape)


def unit_pixels(values: Shaped[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Float32 pixels in 0..1: bytes are divided by 255, floats are taken as they are."""
    return values.float() / 255 if values.dtype == torch.uint8 else values.float()


def standardise(
    values: Float[Tensor, "b n p"], mean: tuple[float, ...], std: tuple[float, ...]
) -> Float[Tensor, "b n p"]:
    """Subtracts the mean and divides by the deviation of each channel (pixels in 0..1)."""
    channels = rearrange(values, "b n (x c) -> b n x c", c=len(mean))
    scaled = (channels - per_channel(mean, values.device)) / per_channel(std, values.device)
    return rearrange(scaled, "b n x c -> b n (x c)")


# Not a module's buffer: those turn to bfloat16 with the model, and 0.485 would lose 0.2 %.
@lru_cache(maxsize=32)
def per_channel(values: tuple[float, ...], device: torch.device) -> Float[Tensor, " c"]:
    """One number a channel, copied to a device once."""
    return torch.tensor(values, device=device)
