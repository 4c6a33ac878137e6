"""The field of view from many frames: circle, ellipse, box, or the whole frame."""

import numpy as np
import pytest

from video.check.field_of_view import estimate_view, rasterize
from video.recording import FieldOfView

ROWS, COLUMNS = 72, 128


def frames(
    view: FieldOfView | None, rng: np.random.Generator, clock: bool = False
) -> list[np.ndarray]:
    """Dim scenes that light up here and there, noise everywhere, and a clock in a corner."""
    inside = np.ones((ROWS, COLUMNS), bool) if view is None else rasterize(view, ROWS, COLUMNS)
    y, x = np.mgrid[:ROWS, :COLUMNS]
    made = []
    for _ in range(60):
        row, column = rng.uniform(0, (ROWS, COLUMNS))
        light = 30 + 200 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 1500)
        picture = np.where(inside, light, 2) + rng.normal(0, 3, inside.shape)
        if clock:
            picture[4:10, 4:24] = 255
        made.append(picture.clip(0, 255).astype(np.uint8))
    return made


@pytest.mark.parametrize("clock", [False, True])
@pytest.mark.parametrize(
    "view",
    [
        FieldOfView("circle", (0.5, 0.89, 0.48)),
        FieldOfView("circle", (0.48, 0.94, 0.83)),
        FieldOfView("circle", (0.53, 0.80, 0.60)),
        FieldOfView("ellipse", (0.52, 0.85, 0.80, 0.45)),
        FieldOfView("box", (0.125, 0.0, 0.875, 128 / 72)),
        FieldOfView("box", (0.0, 0.25, 1.0, 1.5)),
    ],
    ids=str,
)
def test_the_shape_is_found(view: FieldOfView, clock: bool) -> None:
    found = estimate_view(frames(view, np.random.default_rng(0), clock))
    assert found is not None
    assert found.kind == view.kind
    expected, got = rasterize(view, ROWS, COLUMNS), rasterize(found, ROWS, COLUMNS)
    assert (expected & got).sum() / (expected | got).sum() > 0.97


def test_full_frames_black_frames_and_few_frames_give_none() -> None:
    rng = np.random.default_rng(0)
    assert estimate_view(frames(None, rng)) is None
    assert estimate_view([np.zeros((ROWS, COLUMNS), np.uint8)] * 100) is None
    assert estimate_view(frames(FieldOfView("circle", (0.5, 0.89, 0.48)), rng)[:5]) is None
    assert estimate_view([]) is None


def test_black_frames_do_not_hide_the_view() -> None:
    view = FieldOfView("circle", (0.5, 0.89, 0.48))
    found = estimate_view(
        [*frames(view, np.random.default_rng(0)), *[np.zeros((ROWS, COLUMNS), np.uint8)] * 300]
    )
    assert found is not None
    assert found.kind == "circle"


def test_a_view_has_a_box_around_it() -> None:
    circle = FieldOfView("circle", (0.5, 0.9, 0.6))
    assert circle.box(1.78) == pytest.approx((0.0, 0.3, 1.0, 1.5))
    assert FieldOfView("box", (0.1, 0.2, 0.9, 1.5)).box(1.4) == (0.1, 0.2, 0.9, 1.4)
