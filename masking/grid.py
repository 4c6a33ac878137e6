"""The token grid of a clip, and the valid masking ratios on it."""

from math import prod
from typing import Annotated

from pydantic import AfterValidator, ConfigDict

# Unknown keys are refused, and a string below a field is its help text.
STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True)

Grid = tuple[int, int, int]
"""Tokens of a clip: (frames, rows, columns)."""


def _require_proper_fraction(ratio: float) -> float:
    if not 0 < ratio < 1:
        raise ValueError("ratio must be above 0 and below 1")
    return ratio


Ratio = Annotated[float, AfterValidator(_require_proper_fraction)]
"""Share of the tokens that is hidden."""


def token_count(grid: Grid) -> int:
    """Tokens of a clip; raises ValueError if an axis of the grid is empty."""
    if min(grid) < 1:
        raise ValueError(f"grid {grid} must be three counts of at least 1: frames, rows, columns")
    return prod(grid)


def units_hidden(ratio: float, units: int, name: str, grid: Grid) -> int:
    """How many of a grid's `units` (tokens, positions, frames) a ratio hides.

    Truncated, as in VideoMAE: 0.9 of 196 positions is 176. Raises ValueError if nothing would be
    hidden or nothing visible.
    """
    return require_both(int(ratio * units), ratio, units, name, grid)


def require_both(hidden: int, ratio: float, units: int, name: str, grid: Grid) -> int:
    """Returns `hidden`; raises ValueError if nothing would be hidden or nothing visible."""
    if not 0 < hidden < units:
        what = "hides" if hidden < 1 else "leaves visible"
        hint = f"choose one from 1/{units} to {units - 1}/{units}, or" if units > 1 else "take"
        raise ValueError(
            f"ratio {ratio} {what} none of the {units} {name} of grid {grid}; {hint} a larger grid"
        )
    return hidden
