"""Running cell: cells of 2x2 tokens whose hidden part moves by one token in each frame."""

from collections.abc import Sequence
from dataclasses import field
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Bool
from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from masking.exact_counts import flip_to_count
from masking.grid import STRICT, Grid, require_both, token_count

CELL_TOKENS = 4
RATIOS = (0.25, 0.5, 0.75)


def _require_quarters(ratio: float) -> float:
    if ratio not in RATIOS:
        raise ValueError("ratio must be 0.25, 0.5 or 0.75: 1, 2 or 3 of the 4 tokens of a cell")
    return ratio


@dataclass(frozen=True, config=STRICT)
class RunningCell:
    """Hides a quarter, half or three quarters of every 2x2 cell, moved by one token in each frame.

    Source: VideoMAE V2 (Wang et al., CVPR 2023), section 3.2, where the hidden tokens are not
    decoded. In any four consecutive frames every location is visible 4 * (1 - ratio) times.

    Cells are cropped at the border of an odd grid. `floor((1 - ratio) * tokens)` tokens stay
    visible: if a cropped pattern (odd rows or columns, and frames not a multiple of 4) has more or
    fewer, as few tokens as possible, drawn at random, are flipped.
    """

    kind: Literal["running_cell"] = field(default="running_cell", kw_only=True)
    ratio: Annotated[float, AfterValidator(_require_quarters)] = 0.5
    """Share of each 2x2 cell that is hidden: 0.25, 0.5 or 0.75."""
    random_phase: bool = False
    """Also shift the cells in space; false: the four maps of VideoMAE V2."""

    def hidden(self, grid: Grid, rngs: Sequence[np.random.Generator]) -> Bool[np.ndarray, "b n"]:
        count = self.hidden_count(grid)
        maps = cell_maps(grid, self.ratio, self.random_phase)
        drawn = [rng.integers(len(maps)) for rng in rngs]
        return flip_to_count(maps[np.array(drawn, dtype=np.intp)], count, rngs)

    def hidden_count(self, grid: Grid) -> int:
        tokens = token_count(grid)
        hidden = tokens - int((1 - self.ratio) * tokens)
        return require_both(hidden, self.ratio, tokens, "tokens", grid)


@lru_cache(maxsize=32)
def cell_maps(grid: Grid, ratio: float, random_phase: bool) -> Bool[np.ndarray, "maps n"]:
    """All patterns of a grid, True where hidden: 4 phases, and with `random_phase` 8.

    Within a cell the tokens are numbered 0 1 / 2 3, and in frame t with phase s token i is hidden
    where (i + s + t + 1) mod 4 < 4 * ratio. A shift of the cells by one row equals a phase
    increased by 2, so only a shift by one column is new: eight patterns cover all shifts.
    """
    phases, shifts = np.arange(CELL_TOKENS), np.arange(2 if random_phase else 1)
    shift, phase, frame, row, column = np.ix_(shifts, phases, *map(np.arange, grid))
    position = 2 * (row % 2) + (column + shift) % 2 + phase + frame + 1
    maps = (position % CELL_TOKENS < CELL_TOKENS * ratio).reshape(-1, token_count(grid))
    maps.setflags(write=False)  # the cache shares it between callers
    return maps
