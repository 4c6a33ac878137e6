"""Attention as pixels: where it is drawn, how bright, and by which scale."""

import numpy as np
import pytest

from finetune.attention.heatmap import (
    LEAST_SPAN,
    Scale,
    colour_bar,
    grey,
    grey_by_tile,
    overlay,
    scale_of,
)

TUBELET = (2, 8, 8)


def maps(frames: int = 3, rows: int = 2, columns: int = 4) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(0, 5, (frames, rows, columns)).astype(np.float32)


def test_a_scale_ignores_the_few_highest_values() -> None:
    values = np.ones(1000, dtype=np.float32)
    values[:300], values[999] = 0.5, 90
    assert scale_of(values) == Scale(0.5, 1.0)
    assert Scale(1, 3).of(np.array([0.0, 1, 2, 3, 90])).tolist() == [0, 0, 0.5, 1, 1]
    assert str(Scale(0.0123, 7.891)) == "0.012 to 7.9 times uniform attention"


def test_uniform_attention_does_not_show_its_rounding_errors() -> None:
    noise = 1 + maps() * 1e-6
    scale = scale_of(noise)
    assert scale.high - scale.low == pytest.approx(LEAST_SPAN) and scale.low < 1 < scale.high
    assert np.ptp(grey(noise, scale, TUBELET).astype(int)) <= 1


def test_grey_maps_show_every_token_as_a_square_on_one_scale() -> None:
    values = maps()
    drawn = grey(values, Scale(0, 5), TUBELET)
    assert drawn.shape == (6, 16, 32, 3)
    for t, y, x in np.ndindex(values.shape):
        square = drawn[2 * t : 2 * t + 2, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8]
        assert (square == round(float(values[t, y, x]) * 51)).all()


def test_classic_maps_are_scaled_by_frame() -> None:
    """Nearest upsampling, and each tile of the grid from its own minimum to its maximum."""
    values = maps()
    values[1] *= 0.01
    drawn = grey_by_tile(values, TUBELET)
    for tile, frame in zip(values, drawn[::2], strict=True):
        upsampled = np.kron(tile, np.ones((8, 8), dtype=np.float32))
        expected = (upsampled - tile.min()) / (tile.max() - tile.min())
        assert abs(frame[..., 0] - expected * 255).max() <= 0.51
    assert (grey_by_tile(np.ones((1, 2, 2), dtype=np.float32), TUBELET) == 0).all()


def test_the_colour_is_over_the_attended_token() -> None:
    values = np.zeros((2, 6, 6), dtype=np.float32)
    values[1, 4, 1] = 4
    frames = np.full((4, 48, 48, 3), 128, dtype=np.uint8)
    drawn = overlay(frames, values, Scale(0, 4)).astype(int)
    coloured = np.ptp(drawn, axis=-1) > 60
    assert not coloured[:2].any() and coloured[2:].any((1, 2)).all()
    y, x = np.argwhere(coloured[2]).mean(0)
    assert abs(y - 35.5) < 1.5 and abs(x - 11.5) < 1.5


def test_frames_stay_visible_without_attention() -> None:
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (2, 16, 16, 3)).astype(np.uint8)
    drawn = overlay(frames, np.zeros((1, 2, 2), dtype=np.float32), Scale(0, 1))
    luma = frames @ np.array([0.299, 0.587, 0.114])
    assert np.corrcoef(drawn[..., 0].ravel(), luma.ravel())[0, 1] > 0.999
    assert drawn.std() > 0.8 * luma.std()


def test_the_colour_bar_gets_lighter_monotonically() -> None:
    bar = colour_bar(100, 3)
    assert bar.shape == (3, 100, 3) and (bar == bar[0]).all()
    assert (np.diff(bar[0].astype(int).sum(1)) >= 0).all()
