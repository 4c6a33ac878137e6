"""Crops: the choices recorded from VideoMAE V2's own code, and what scaling does to pixels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from video.config import Augmentation
from video.multiscale_crop import (
    Box,
    apply_crop,
    crop_corners,
    crop_sizes,
    decoded_size,
    draw_crop,
)

RECORDED = json.loads((Path(__file__).parent / "fixtures/public_multiscale_crop.json").read_text())


@pytest.mark.parametrize("row", RECORDED, ids=lambda row: f"{row['input_size']}-{row['im_wh']}")
def test_recorded_crops_are_among_the_choices(row: dict[str, Any]) -> None:
    (width, height), side = row["im_wh"], row["input_size"]
    sizes = crop_sizes(Augmentation(), height, width, side, side)
    for box_width, box_height, left, top in row["draws"]:
        assert (box_height, box_width) in sizes
        assert (top, left) in crop_corners(height, width, box_height, box_width)
    # the recorded corners are those of a box of three quarters of the short side
    box = int(min(width, height) * 0.75)
    corners = [(left, top) for top, left in crop_corners(height, width, box, box)]
    assert sorted(corners) == sorted(map(tuple, row["offsets_example"]))


@pytest.mark.parametrize(("rows", "columns"), [(224, 224), (64, 96), (96, 64), (33, 47)])
@pytest.mark.parametrize(("height", "width"), [(240, 320), (576, 720), (40, 400), (30, 20)])
def test_a_crop_lies_inside_and_every_choice_occurs(
    rows: int, columns: int, height: int, width: int
) -> None:
    augmentation, rng = Augmentation(), np.random.default_rng(0)
    drawn = {draw_crop(augmentation, height, width, rows, columns, rng) for _ in range(3000)}
    for box in drawn:
        assert box.top >= 0 <= box.left
        assert box.top + box.height <= height
        assert box.left + box.width <= width
    sizes = set(crop_sizes(augmentation, height, width, rows, columns))
    assert {(box.height, box.width) for box in drawn} == sizes
    assert len(crop_sizes(augmentation, height, width, rows, columns)) == 10


def test_the_largest_crop_has_the_inputs_proportions() -> None:
    sizes = crop_sizes(Augmentation(scales=(1.0,)), 480, 854, 64, 96)
    assert sizes == [(480, 720)]


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1080, 1920), (339, 603)), ((256, 256), (256, 256)), ((100, 80), (100, 80))],
)
def test_decoding_is_no_larger_than_needed_and_never_enlarges(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert decoded_size(Augmentation(), *size, 224, 224) == expected


def test_scaling_keeps_a_slope_and_antialiases() -> None:
    slope = torch.arange(0, 240, 2, dtype=torch.uint8)
    clip = slope[None, None, :, None].expand(2, 90, 120, 3).contiguous()
    half = apply_crop(clip, Box(0, 0, 90, 120), 45, 60, flipped=False)
    expected = torch.arange(60) * 4 + 1
    assert half.shape == (2, 45, 60, 3)
    assert (half[0, 10, 2:-2, 1].int() - expected[2:-2]).abs().max() <= 1
    stripes = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    stripes[:, :, ::2] = 200
    grey = apply_crop(stripes, Box(0, 0, 64, 64), 16, 16, flipped=False)
    assert (grey[:, 4:-4, 4:-4].int() - 100).abs().max() <= 6


def test_a_crop_of_the_inputs_size_is_untouched_and_a_mirror_swaps_sides() -> None:
    clip = torch.randint(0, 256, (3, 40, 50, 3), dtype=torch.uint8)
    plain = apply_crop(clip, Box(4, 6, 32, 32), 32, 32, flipped=False)
    assert torch.equal(plain, clip[:, 4:36, 6:38])
    assert torch.equal(apply_crop(clip, Box(4, 6, 32, 32), 32, 32, True), plain.flip(2))
