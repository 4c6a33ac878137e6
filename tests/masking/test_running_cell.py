from itertools import product
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from masking import Grid, RunningCell
from masking.running_cell import RATIOS, cell_maps

RECORDED = np.load(Path(__file__).parent / "fixtures" / "public_masks.npz")
GRIDS = {"vitb": (8, 14, 14), "giant": (8, 16, 16), "small": (4, 4, 6)}
ODD_GRIDS = [(8, 13, 14), (7, 5, 5), (6, 7, 3), (5, 1, 9), (3, 3, 3), (1, 5, 7), (2, 1, 1)]


def rngs(samples: int) -> list[np.random.Generator]:
    return [np.random.default_rng(sample) for sample in range(samples)]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("ratio", RATIOS)
def test_the_four_maps_of_upstream(grid: str, ratio: float) -> None:
    recorded = RECORDED[f"runcell_{grid}_r{ratio * 100:.0f}"].reshape(4, -1)
    assert (cell_maps(GRIDS[grid], ratio, False) == recorded).all()
    hidden = RunningCell(ratio=ratio).hidden(GRIDS[grid], rngs(60))
    assert {row.tobytes() for row in hidden} == {row.tobytes() for row in recorded.astype(bool)}


def test_a_longer_clip_goes_on_with_the_same_sequence() -> None:
    maps = cell_maps((16, 14, 14), 0.5, False).reshape(4, 2, 8 * 196)
    assert (maps == RECORDED["runcell_vitb_r50"].reshape(4, 1, -1)).all()


@pytest.mark.parametrize(("ratio", "random_phase"), product(RATIOS, (False, True)))
@pytest.mark.parametrize("grid", [*ODD_GRIDS, (8, 14, 14), (5, 4, 6), (4, 5, 5)])
def test_the_count_is_exact_on_any_grid(grid: Grid, ratio: float, random_phase: bool) -> None:
    cell = RunningCell(ratio=ratio, random_phase=random_phase)
    tokens = grid[0] * grid[1] * grid[2]
    if int(tokens * (1 - ratio)) == 0:
        with pytest.raises(ValueError, match="leaves visible none of the 2 tokens"):
            cell.hidden(grid, rngs(1))
        return
    hidden = cell.hidden(grid, rngs(24))
    assert hidden.shape == (24, tokens)
    assert cell.hidden_count(grid) == tokens - int(tokens * (1 - ratio))
    assert (hidden.sum(axis=1) == cell.hidden_count(grid)).all()


@pytest.mark.parametrize(("ratio", "random_phase"), product(RATIOS, (False, True)))
@pytest.mark.parametrize("grid", [(4, 5, 7), (8, 13, 14), (12, 1, 3), (5, 4, 6), (1, 2, 2)])
def test_no_token_is_flipped_where_the_pattern_has_the_count(
    grid: Grid, ratio: float, random_phase: bool
) -> None:
    cell = RunningCell(ratio=ratio, random_phase=random_phase)
    maps = cell_maps(grid, ratio, random_phase)
    assert (maps.sum(axis=1) == cell.hidden_count(grid)).all()
    assert {row.tobytes() for row in cell.hidden(grid, rngs(20))} <= {m.tobytes() for m in maps}


@pytest.mark.parametrize("grid", [(3, 5, 5), (7, 3, 9)])
def test_the_fewest_tokens_are_flipped_elsewhere(grid: Grid) -> None:
    cell, maps = RunningCell(ratio=0.5), cell_maps(grid, 0.5, False)
    for hidden in cell.hidden(grid, rngs(30)):
        flips = (hidden != maps).sum(axis=1)
        needed = abs(maps.sum(axis=1) - cell.hidden_count(grid))
        assert (flips == needed).any()


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("random_phase", [False, True])
@pytest.mark.parametrize("grid", [(8, 14, 14), (4, 5, 7)])
def test_every_location_is_shown_equally_often(
    grid: Grid, ratio: float, random_phase: bool
) -> None:
    cell = RunningCell(ratio=ratio, random_phase=random_phase)
    shown = ~cell.hidden(grid, rngs(16)).reshape(16, *grid)
    assert (shown.sum(axis=1) == grid[0] * (1 - ratio)).all()


@pytest.mark.parametrize("ratio", RATIOS)
def test_random_phase_holds_every_shift_of_the_cells(ratio: float) -> None:
    larger = cell_maps((8, 7, 8), ratio, False).reshape(4, 8, 7, 8)
    shifted = {
        np.ascontiguousarray(larger[:, :, row : row + 6, column : column + 7][start]).tobytes()
        for row, column, start in product((0, 1), (0, 1), range(4))
    }
    assert len(shifted) == 8
    assert {row.tobytes() for row in cell_maps((8, 6, 7), ratio, True)} == shifted
    drawn = RunningCell(ratio=ratio, random_phase=True).hidden((8, 6, 7), rngs(200))
    assert {row.tobytes() for row in drawn} == shifted


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.49, 0.6, 0.9, 1.0, 0.0])
def test_a_ratio_that_is_not_quarters_is_refused(ratio: float) -> None:
    with pytest.raises(ValidationError, match=r"ratio must be 0.25, 0.5 or 0.75"):
        RunningCell(ratio=ratio)
