"""The token grid of a clip, and how many of its tokens a ratio hides."""

from math import prod
from typing import Annotated

from pydantic import AfterValidator, ConfigDict

# unknown keys and infinite numbers are errors, and the string below a field is its help text
STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

Grid = tuple[int, int, int]
"""Tokens of a clip: (frames, rows, columns)."""


def _refuse_all_or_nothing(ratio: float) -> float:
    if not 0 < ratio < 1:
        raise ValueError("ratio must be above 0 and below 1")
    return ratio


Ratio = Annotated[float, AfterValidator(_refuse_all_or_nothing)]
"""Share of the tokens that is hidden."""


def token_count(grid: Grid) -> int:
    """Number of tokens of a clip; raises ValueError if an axis of the grid is empty."""
    if min(grid) < 1:
        raise ValueError(f"grid {grid} must be three counts of at least 1: frames, rows, columns")
    return prod(grid)


def units_hidden(ratio: float, units: int, name: str, grid: Grid) -> int:
    """How many of a grid's `units` (tokens, positions or frames) a ratio hides.

    Rounded down, as in VideoMAE: 0.9 of 196 positions is 176. Raises ValueError if nothing would be
    hidden or nothing visible.
    """
    return require_hidden_and_visible(int(ratio * units), ratio, units, name, grid)


def require_hidden_and_visible(hidden: int, ratio: float, units: int, name: str, grid: Grid) -> int:
    """Returns `hidden`; raises ValueError if nothing would be hidden or nothing visible."""
    if not 0 < hidden < units:
        what = "hides" if hidden < 1 else "leaves visible"
        cure = f"choose one from 1/{units} to {units - 1}/{units}, or" if units > 1 else "take"
        raise ValueError(
            f"ratio {ratio} {what} none of the {units} {name} of grid {grid}; {cure} a larger grid"
        )
    return hidden
