import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from masking import Frame, Grid, Random, Tube

FIXTURES = Path(__file__).parent / "fixtures"
EDGE_CASES = json.loads((FIXTURES / "public_mask_edge_cases.json").read_text())
RECORDED = np.load(FIXTURES / "public_masks.npz")
GRIDS = {"vitb": (8, 14, 14), "giant": (8, 16, 16), "small": (4, 4, 6)}


def rngs(samples: int) -> list[np.random.Generator]:
    return [np.random.default_rng(sample) for sample in range(samples)]


def test_tube_hides_the_same_positions_in_every_frame() -> None:
    hidden = Tube(ratio=0.9).hidden((8, 14, 14), rngs(6)).reshape(6, 8, 196)
    assert (hidden == hidden[:, :1]).all()
    assert len(np.unique(hidden[:, 0], axis=0)) == 6


@pytest.mark.parametrize("case", EDGE_CASES["tube_masked_per_frame"].items(), ids=lambda c: c[0])
def test_tube_hides_as_many_positions_as_upstream(case: tuple[str, int]) -> None:
    (size, ratio), expected = case[0].split("@"), case[1]
    rows, columns = map(int, size.split("x"))
    tube, grid = Tube(ratio=float(ratio)), (3, rows, columns)
    assert tube.hidden_count(grid) == 3 * expected
    assert (tube.hidden(grid, rngs(4)).sum(axis=1) == 3 * expected).all()


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("percent", [75, 90, 95])
def test_counts_of_upstreams_drawn_masks(grid: str, percent: int) -> None:
    tubes = RECORDED[f"tube_{grid}_r{percent}_seed7_3draws"].reshape(3, -1)
    assert (tubes.sum(axis=1) == Tube(ratio=percent / 100).hidden_count(GRIDS[grid])).all()
    if percent == 90:
        drawn = RECORDED[f"random_{grid}_r90_seed7_3draws"]
        assert (drawn.sum(axis=1) == Random(ratio=0.9).hidden_count(GRIDS[grid])).all()


@pytest.mark.parametrize("generator", [Tube(ratio=0.7), Random(ratio=0.7), Frame(ratio=0.7)])
@pytest.mark.parametrize("grid", [(8, 14, 14), (5, 7, 9), (3, 1, 13), (2, 2, 2)])
def test_counts_are_exact(generator: Tube | Random | Frame, grid: Grid) -> None:
    hidden = generator.hidden(grid, rngs(9))
    assert hidden.shape == (9, grid[0] * grid[1] * grid[2])
    assert (hidden.sum(axis=1) == generator.hidden_count(grid)).all()


def test_frame_hides_whole_frames() -> None:
    hidden = Frame(ratio=0.5).hidden((8, 5, 5), rngs(6)).reshape(6, 8, 25)
    assert (hidden.all(axis=2) | ~hidden.any(axis=2)).all()
    assert (hidden[:, :, 0].sum(axis=1) == 4).all()


@pytest.mark.parametrize("cls", [Tube, Random, Frame])
@pytest.mark.parametrize("ratio", [0, 1, -0.1, 1.5, float("nan")])
def test_a_ratio_of_nothing_or_all_is_refused(cls: type[Tube], ratio: float) -> None:
    with pytest.raises(ValidationError, match=r"ratio must be above 0 and below 1|finite number"):
        cls(ratio=ratio)


def test_a_grid_without_hidden_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ratio 0.9 hides none of the 1 frames of grid \(1, 8, 8"):
        Frame(ratio=0.9).hidden((1, 8, 8), rngs(1))
