"""Uniformly drawn masks: of positions (tube), of tokens (random) and of frames (frame)."""

from collections.abc import Sequence
from dataclasses import field
from typing import Literal

import numpy as np
from jaxtyping import Bool
from pydantic.dataclasses import dataclass

from masking.exact_counts import choose
from masking.grid import STRICT, Grid, Ratio, require_both, token_count, units_hidden


@dataclass(frozen=True, config=STRICT)
class Tube:
    """Hides the same random positions in every token frame.

    Source: VideoMAE (Tong et al., NeurIPS 2022). A patch that hardly moves cannot be
    copied from a neighbouring frame.
    """

    kind: Literal["tube"] = field(default="tube", kw_only=True)
    ratio: Ratio = 0.9
    """Share of the positions that is hidden."""

    def hidden(self, grid: Grid, rngs: Sequence[np.random.Generator]) -> Bool[np.ndarray, "b n"]:
        frames, rows, columns = grid
        hidden_positions = choose(rows * columns, self._positions_hidden(grid), rngs)
        return np.tile(hidden_positions, (1, frames))

    def hidden_count(self, grid: Grid) -> int:
        return grid[0] * self._positions_hidden(grid)

    def _positions_hidden(self, grid: Grid) -> int:
        return units_hidden(self.ratio, token_count(grid) // grid[0], "positions", grid)


@dataclass(frozen=True, config=STRICT)
class Random:
    """Hides tokens anywhere in space and time.

    Source: Masked Autoencoders As Spatiotemporal Learners (Feichtenhofer et al., NeurIPS 2022),
    where it is called agnostic. Rounds down the number of hidden tokens, as VideoMAE does, or of
    visible tokens, as mae_st does: 0.9 of 2048 hides 1843 or 1844.
    """

    kind: Literal["random"] = field(default="random", kw_only=True)
    ratio: Ratio = 0.9
    """Share of the tokens that is hidden."""
    cut: Literal["hidden", "visible"] = "hidden"
    """The count that is rounded down if the ratio gives no integer."""

    def hidden(self, grid: Grid, rngs: Sequence[np.random.Generator]) -> Bool[np.ndarray, "b n"]:
        return choose(token_count(grid), self.hidden_count(grid), rngs)

    def hidden_count(self, grid: Grid) -> int:
        tokens = token_count(grid)
        if self.cut == "hidden":
            return units_hidden(self.ratio, tokens, "tokens", grid)
        hidden = tokens - int(tokens * (1 - self.ratio))
        return require_both(hidden, self.ratio, tokens, "tokens", grid)


@dataclass(frozen=True, config=STRICT)
class Frame:
    """Hides whole token frames.

    Source: one of the decoder masks compared in VideoMAE V2 (Wang et al., CVPR 2023).
    """

    kind: Literal["frame"] = field(default="frame", kw_only=True)
    ratio: Ratio = 0.5
    """Share of the token frames that is hidden."""

    def hidden(self, grid: Grid, rngs: Sequence[np.random.Generator]) -> Bool[np.ndarray, "b n"]:
        frames, rows, columns = grid
        return np.repeat(choose(frames, self._frames_hidden(grid), rngs), rows * columns, axis=1)

    def hidden_count(self, grid: Grid) -> int:
        return self._frames_hidden(grid) * grid[1] * grid[2]

    def _frames_hidden(self, grid: Grid) -> int:
        token_count(grid)  # raises for an empty axis
        return units_hidden(self.ratio, grid[0], "frames", grid)
