"""Positions of tokens: tables computed from the grid, or learned; and their change of grid."""

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn

from encoder.config import COMPUTED, Grid

INITIAL_STD = 0.02  # of learned positions, as of class and mask tokens


def sinusoid_table(tokens: int, dim: int) -> Float[Tensor, "n d"]:
    """Sine at even and cosine at odd columns over the flat token index.

    Attention Is All You Need (Vaswani et al., 2017), section 3.5, applied as in VideoMAE (Tong et
    al., 2022): the index runs over (frame, row, column) as one axis, so a table belongs to its
    grid. Angles are taken in float64: float32 would be off by 1e-4 at the end of a long clip.
    """
    column = np.arange(dim)
    angle = np.arange(tokens)[:, None] / np.power(10000.0, 2 * (column // 2) / dim)
    table = np.where(column % 2 == 0, np.sin(angle), np.cos(angle))
    return torch.from_numpy(table.astype(np.float32))


def sincos3d_table(grid: Grid, dim: int) -> Float[Tensor, "n d"]:
    """A quarter of the columns for the frame, then three eighths each for column and row.

    Each part has all sines before all cosines. MVD (Wang et al., CVPR 2023) and SurgVISTA, after
    the tables of masked autoencoders for video (Feichtenhofer et al., 2022).
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


TABLES: dict[str, Callable[[Grid, int], Tensor]] = {
    "sinusoid": lambda grid, dim: sinusoid_table(math.prod(grid), dim),
    "sincos3d": sincos3d_table,
}


def computed_positions(kind: str, grid: Grid, dim: int, trained_grid: Grid | None) -> Tensor:
    """The table [n, d] of a grid: that of the grid trained on, resized where it is another."""
    if trained_grid is None or trained_grid == grid:
        return TABLES[kind](grid, dim)
    return resize_positions(TABLES[kind](trained_grid, dim), trained_grid, grid)


def resize_positions(
    table: Float[Tensor, "m d"], source: Grid, target: Grid
) -> Float[Tensor, "n d"]:
    """Positions of one grid for another: bicubic over rows and columns, then linear over frames.

    Both take grid cells as areas (corners are not aligned); a smaller grid is smoothed first. Two
    positions of one grid keep their distance relative to the whole clip.
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
    """A table that no checkpoint holds; it stays in float32 where weights do not."""

    table: Tensor

    def __init__(self, table: Float[Tensor, "n d"]) -> None:
        super().__init__()
        self.register_buffer("table", table, persistent=False)

    def forward(self, index: Int64[Tensor, "b v"] | None) -> Float[Tensor, "x v d"]:
        return self.table[None] if index is None else self.table[index]


class LearnedPositions(nn.Module):
    """One vector a token."""

    def __init__(self, tokens: int, dim: int) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.empty(tokens, dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.trunc_normal_(self.tokens, std=INITIAL_STD)

    def forward(self, index: Int64[Tensor, "b v"] | None) -> Float[Tensor, "x v d"]:
        return self.tokens[None] if index is None else self.tokens[index]


class SeparablePositions(nn.Module):
    """A vector for the place in the frame and one for the frame, added up."""

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


def build_positions(
    kind: str, grid: Grid, dim: int, trained_grid: Grid | None = None
) -> ComputedPositions | LearnedPositions | SeparablePositions:
    """Called with token indices [b, v], or None for all, it gives what is added to the tokens.

    `trained`: the grid that a computed table was trained on, where it is another.
    """
    if kind in COMPUTED:
        return ComputedPositions(computed_positions(kind, grid, dim, trained_grid))
    if kind == "learned":
        return LearnedPositions(math.prod(grid), dim)
    return SeparablePositions(grid, dim)


class ClassToken(nn.Module):
    """A token of its own before those of the clip, with a learned position where those have one."""

    def __init__(self, dim: int, placed: bool) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(dim))
        self.position = nn.Parameter(torch.empty(dim)) if placed else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.trunc_normal_(self.token, std=INITIAL_STD)
        if self.position is not None:
            nn.init.zeros_(self.position)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b m d"]:
        token = self.token if self.position is None else self.token + self.position
        return torch.cat((token.expand(len(x), 1, -1).to(x.dtype), x), dim=1)
