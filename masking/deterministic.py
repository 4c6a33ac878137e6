"""Deterministic masks to visualise or evaluate a trained model: the same for every sample."""

from collections.abc import Sequence
from dataclasses import field
from typing import Literal

import numpy as np
from jaxtyping import Bool
from pydantic.dataclasses import dataclass

from masking.grid import STRICT, Grid, Ratio, require_both, token_count


@dataclass(frozen=True, config=STRICT)
class Temporal:
    """Keeps the first part of a clip and hides the rest: the model must predict the future.

    Source: the completion masks of eminorhan/video-models, which may split a frame; `snap` rounds
    to whole token frames. At least one frame stays visible and at least one is hidden.
    """

    kind: Literal["temporal"] = field(default="temporal", kw_only=True)
    ratio: Ratio = 0.5
    """Share of the tokens that is hidden."""
    snap: bool = True
    """Round to whole token frames."""

    def hidden(self, grid: Grid, rngs: Sequence[np.random.Generator]) -> Bool[np.ndarray, "b n"]:
        tokens = token_count(grid)
        return _hide_run(tokens, tokens - self.hidden_count(grid), tokens, len(rngs))

    def hidden_count(self, grid: Grid) -> int:
        return _hidden_count(self.ratio, self.snap, 1, grid)


@dataclass(frozen=True, config=STRICT)
class Center:
    """Keeps both ends of a clip and hides the middle: the model must interpolate.

    Source: as for `Temporal`. `snap` rounds to whole token frames. At least one frame at each end
    stays visible and at least one is hidden. If their number is odd, the start has one more.
    """

    kind: Literal["center"] = field(default="center", kw_only=True)
    ratio: Ratio = 0.5
    """Share of the tokens that is hidden."""
    snap: bool = True
    """Round to whole token frames."""

    def hidden(self, grid: Grid, rngs: Sequence[np.random.Generator]) -> Bool[np.ndarray, "b n"]:
        tokens, hidden = token_count(grid), self.hidden_count(grid)
        unit = grid[1] * grid[2] if self.snap else 1
        visible_at_start = -(-((tokens - hidden) // unit) // 2) * unit
        return _hide_run(tokens, visible_at_start, visible_at_start + hidden, len(rngs))

    def hidden_count(self, grid: Grid) -> int:
        return _hidden_count(self.ratio, self.snap, 2, grid)


def _hidden_count(ratio: float, snap: bool, min_visible_frames: int, grid: Grid) -> int:
    tokens, frames = token_count(grid), grid[0]
    if not snap:
        hidden = tokens - int(tokens * (1 - ratio))
        return require_both(hidden, ratio, tokens, "tokens", grid)
    if frames <= min_visible_frames:
        raise ValueError(
            f"grid {grid} has {frames} token frames, and this mask needs "
            f"{min_visible_frames + 1}; use a longer clip or snap: false"
        )
    visible_frames = max(int(frames * (1 - ratio) + 0.5), min_visible_frames)
    return (frames - min(visible_frames, frames - 1)) * (tokens // frames)


def _hide_run(tokens: int, start: int, stop: int, samples: int) -> Bool[np.ndarray, "b n"]:
    hidden = np.zeros((samples, tokens), dtype=bool)
    hidden[:, start:stop] = True
    return hidden
