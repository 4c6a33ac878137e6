"""Cells of a crop inside the field of view, and crops that show enough of it."""

import numpy as np
import pytest

from video.config import Augmentation
from video.field_of_view_crop import centred_crop, draw_crop_inside, inside_cells
from video.multiscale_crop import Box
from video.recording import FieldOfView

CIRCLE = FieldOfView("circle", (0.5, 0.9, 0.5))


def test_cells_that_the_view_touches_are_inside() -> None:
    full = inside_cells(CIRCLE, 100, 180, Box(0, 0, 100, 180), (10, 18))
    assert full.shape == (10, 18)
    assert full[5, 9]
    assert not full[0, 0]
    assert not full[5, :4].any()
    assert full[5, 4:14].all()
    part = inside_cells(CIRCLE, 100, 180, Box(0, 40, 100, 100), (10, 10))
    np.testing.assert_array_equal(part, full[:, 4:14])
    assert inside_cells(None, 100, 180, Box(0, 0, 100, 100), (3, 5)).all()


def test_a_squeezed_or_small_decoding_changes_nothing() -> None:
    big = inside_cells(CIRCLE, 1000, 1800, Box(0, 400, 1000, 1000), (14, 14))
    small = inside_cells(CIRCLE, 100, 180, Box(0, 40, 100, 100), (14, 14))
    np.testing.assert_array_equal(big, small)


def test_the_centred_crop_contains_the_view() -> None:
    box = centred_crop(CIRCLE, 100, 180, 112, 112)
    assert box == Box(0, 40, 100, 100)
    assert inside_cells(CIRCLE, 100, 180, box, (14, 14)).mean() == pytest.approx(0.88, abs=0.02)
    aside = FieldOfView("circle", (0.5, 0.2, 0.5))
    assert centred_crop(aside, 100, 180, 112, 112) == Box(0, 0, 100, 100)


def test_a_crop_with_too_little_of_the_view_is_replaced() -> None:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(300):
        box, inside = draw_crop_inside(Augmentation(), CIRCLE, 100, 180, 112, 112, (7, 7), 0.6, rng)
        np.testing.assert_array_equal(inside, inside_cells(CIRCLE, 100, 180, box, (7, 7)))
        shares.append(inside.mean())
    assert min(shares) >= 0.6
    assert len(set(shares)) > 5
