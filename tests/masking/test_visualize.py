import numpy as np
import pytest

from masking import DualMasking, Grid, Tube
from masking.visualize import TOKEN_STATES, draw_masks, token_states

GRID = (4, 4, 6)


def test_token_states_count_as_the_masks_do() -> None:
    masking, generators = DualMasking(encoder=Tube(ratio=0.75)), [np.random.default_rng(0)] * 3
    counts = masking.counts(GRID)
    for codes in token_states(masking.draw(GRID, generators), counts.tokens):
        neither, loss, seen, wasted = np.bincount(codes, minlength=len(TOKEN_STATES))
        assert loss == counts.loss
        assert seen + wasted == counts.visible
        assert loss + wasted == counts.decoded
        assert neither + loss + seen + wasted == counts.tokens


@pytest.mark.parametrize("grid", [GRID, (20, 3, 3), (4, 5, 400)])
def test_an_image_shows_the_colours_of_the_token_states(grid: Grid) -> None:
    masking = DualMasking(encoder=Tube(ratio=0.75))
    masks = masking.draw(grid, [np.random.default_rng(0)])
    image = draw_masks(grid, masks, masking.counts(grid), "title")
    colours = {tuple(colour) for colour in np.unique(np.asarray(image).reshape(-1, 3), axis=0)}
    assert {state.colour for state in TOKEN_STATES} <= colours
