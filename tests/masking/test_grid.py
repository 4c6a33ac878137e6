import pytest

from masking.grid import Grid, token_count, units_hidden


def test_tokens_of_a_grid() -> None:
    assert token_count((8, 14, 14)) == 1568


@pytest.mark.parametrize("grid", [(8, 14, 0), (-8, 14, 14)])
def test_a_grid_without_tokens_is_refused(grid: Grid) -> None:
    with pytest.raises(ValueError, match=r"grid \(.*\) must be three counts of at least 1"):
        token_count(grid)


def test_a_share_is_truncated() -> None:
    assert units_hidden(0.9, 196, "positions", (8, 14, 14)) == 176


def test_a_share_that_hides_nothing_is_refused_with_the_legal_range() -> None:
    with pytest.raises(ValueError, match=r"ratio 0.1 hides none of the 4 frames .* 1/4 to 3/4"):
        units_hidden(0.1, 4, "frames", (4, 2, 2))
    with pytest.raises(ValueError, match="take a larger grid"):
        units_hidden(0.9, 1, "positions", (4, 1, 1))
