"""Position embeddings: computed from the token grid or learned; interpolation to other grids."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn

from encoder.config import Grid
from encoder.pos_embed_kinds import POS_EMBEDS

INITIAL_STD = 0.02  # of learned positions, class tokens and mask tokens


def sinusoid_table(tokens: int, dim: int) -> Float[Tensor, "n d"]:
    """Sine at even and cosine at odd columns over the flat token index.

    Attention Is All You Need (Vaswani et al., 2017), section 3.5, applied as in VideoMAE (Tong et
    al., 2022): the index runs over (frame, row, column) as one axis, so a table is valid for one
    grid only. Angles are float64: float32 would have an error of 1e-4 at the end of a long clip.
    """
    column = np.arange(dim)
    angle = np.arange(tokens)[:, None] / np.power(10000.0, 2 * (column // 2) / dim)
    table = np.where(column % 2 == 0, np.sin(angle), np.cos(angle))
    return torch.from_numpy(table.astype(np.float32))


def flat_sinusoid_table(grid: Grid, dim: int) -> Float[Tensor, "n d"]:
    """`sinusoid_table` of a grid."""
    return sinusoid_table(math.prod(grid), dim)


def sincos3d_table(grid: Grid, dim: int) -> Float[Tensor, "n d"]:
    """A quarter of the dimensions encodes the frame, then three eighths each column and row.

    In each part all sines come before all cosines. MVD (Wang et al., CVPR 2023) and SurgVISTA,
    after the tables of masked autoencoders for video (Feichtenhofer et al., 2022).
    """
    frame, row, column = np.indices(grid).reshape(3, -1)
    parts = (
        _sines_then_cosines(frame, dim // 4),
        _sines_then_cosines(column, 3 * dim // 8),
        _sines_then_cosines(row, 3 * dim // 8),
    )
    return torch.from_numpy(np.concatenate(parts, axis=1).astype(np.float32))


def _sines_then_cosines(position: np.ndarray, dim: int) -> np.ndarray:
    angle = position[:, None] / np.power(10000.0, np.arange(dim // 2) / (dim / 2))
    return np.concatenate((np.sin(angle), np.cos(angle)), axis=1)


def computed_positions(kind: str, grid: Grid, dim: int, trained_grid: Grid | None) -> Tensor:
    """The table [n, d] of a grid; interpolated from that of `trained_grid` where they differ."""
    table = POS_EMBEDS[kind].builder()
    if trained_grid is None or trained_grid == grid:
        return table(grid, dim)
    return resize_positions(table(trained_grid, dim), trained_grid, grid)


def resize_positions(
    table: Float[Tensor, "m d"], source: Grid, target: Grid
) -> Float[Tensor, "n d"]:
    """Position embeddings of one grid for another: bicubic in space, then linear in time.

    Grid cells are areas (`align_corners=False`); downsampling in space is antialiased. The
    distance of two positions relative to the whole clip stays the same.
    """
    if source == target:
        return table
    planes = rearrange(table.float(), "(t h w) d -> t d h w", t=source[0], h=source[1])
    if source[1:] != target[1:]:
        planes = F.interpolate(planes, target[1:], mode="bicubic", antialias=True)
    if source[0] != target[0]:
        lines = rearrange(planes, "t d h w -> (h w) d t")
        lines = F.interpolate(lines, target[0], mode="linear")
        planes = rearrange(lines, "(h w) d t -> t d h w", h=target[1])
    return rearrange(planes, "t d h w -> (t h w) d").to(table.dtype)


class ComputedPositions(nn.Module):
    """A fixed table, which no checkpoint stores; it stays in float32 when the weights do not."""

    table: Tensor

    def __init__(self, table: Float[Tensor, "n d"]) -> None:
        super().__init__()
        self.register_buffer("table", table, persistent=False)

    def forward(self, index: Int64[Tensor, "b v"] | None) -> Float[Tensor, "x v d"]:
        return self.table[None] if index is None else self.table[index]


class LearnedPositions(nn.Module):
    """One learned vector per token."""

    def __init__(self, grid: Grid, dim: int) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.empty(math.prod(grid), dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.trunc_normal_(self.tokens, std=INITIAL_STD)

    def forward(self, index: Int64[Tensor, "b v"] | None) -> Float[Tensor, "x v d"]:
        return self.tokens[None] if index is None else self.tokens[index]


class SeparablePositions(nn.Module):
    """The sum of a learned vector for the place in the frame and one for the frame."""

    def __init__(self, grid: Grid, dim: int) -> None:
        super().__init__()
        frames, rows, columns = grid
        self.space = nn.Parameter(torch.empty(rows * columns, dim))
        self.time = nn.Parameter(torch.empty(frames, dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.trunc_normal_(self.space, std=INITIAL_STD)
        nn.init.trunc_normal_(self.time, std=INITIAL_STD)

    def forward(self, index: Int64[Tensor, "b v"] | None) -> Float[Tensor, "x v d"]:
        places = len(self.space)
        if index is None:
            return rearrange(self.time[:, None] + self.space, "t s d -> 1 (t s) d")
        return self.space[index % places] + self.time[index // places]


def build_positions(kind: str, grid: Grid, dim: int, trained_grid: Grid | None = None) -> nn.Module:
    """A module that maps token indices [b, v], or None for all tokens, to position embeddings.

    `trained_grid`: the grid that a computed table was trained with, where it differs from `grid`.
    """
    row = POS_EMBEDS[kind]
    if row.learned:
        return row.builder()(grid, dim)
    return ComputedPositions(computed_positions(kind, grid, dim, trained_grid))


class ClassToken(nn.Module):
    """Prepends a learned token, with a learned position embedding where `position` is true."""

    def __init__(self, dim: int, position: bool) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(dim))
        self.position = nn.Parameter(torch.empty(dim)) if position else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.trunc_normal_(self.token, std=INITIAL_STD)
        if self.position is not None:
            nn.init.zeros_(self.position)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b m d"]:
        token = self.token if self.position is None else self.token + self.position
        return torch.cat((token.expand(len(x), 1, -1).to(x.dtype), x), dim=1)
