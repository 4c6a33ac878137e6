import json
from pathlib import Path

import numpy as np
import pytest
import torch

from masking import Center, Grid, Random, Temporal

FIXTURES = Path(__file__).parent / "fixtures"
CASES = json.loads((FIXTURES / "public_completion_masks.json").read_text())["cases"]
RECORDED = np.load(FIXTURES / "public_completion_masks.npz")


def rngs(samples: int) -> list[np.random.Generator]:
    return [np.random.default_rng(sample) for sample in range(samples)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"case{case['case']}")
def test_without_snap_the_masks_are_those_recorded(case: dict) -> None:
    grid = (case["T"], case["h"], case["w"])
    for generator in (Temporal, Center):
        mask = generator(ratio=case["mask_ratio"], snap=False)
        hidden = mask.hidden(grid, rngs(2))
        packed = RECORDED[f"{case['case']}/{mask.kind}"]
        recorded = np.unpackbits(packed, axis=1, count=case["L"]).astype(bool)
        allowed = [recorded]
        if case["odd_len_keep"] and generator is Center:
            allowed += [np.roll(recorded, 1, axis=1), np.roll(recorded, -1, axis=1)]
        assert any((hidden == each).all() for each in allowed)
        assert mask.hidden_count(grid) == case["num_masked"]


class Noise(np.random.Generator):
    """Gives the numbers that were drawn when the masks were recorded."""

    def __init__(self, numbers: np.ndarray) -> None:
        super().__init__(np.random.PCG64(0))
        self.numbers = numbers

    def random(self, out: np.ndarray) -> None:  # type: ignore[override]
        out[:] = self.numbers


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"case{case['case']}")
def test_random_masks_are_those_recorded(case: dict) -> None:
    """Theirs keeps the tokens of the smallest numbers; ours would hide them."""
    torch.manual_seed(case["torch_seed"])
    noise = torch.rand(2, case["L"]).numpy()
    assert noise[0, :8] == pytest.approx(case["random_noise_first8"])
    mask = Random(ratio=case["mask_ratio"], cut="visible")
    grid = (case["T"], case["h"], case["w"])
    assert mask.hidden_count(grid) == case["num_masked"]
    packed = RECORDED[f"{case['case']}/random"]
    recorded = np.unpackbits(packed, axis=1, count=case["L"]).astype(bool)
    drawn = mask.hidden(grid, [Noise(1 - row) for row in noise])
    assert (drawn == recorded).all()


@pytest.mark.parametrize(
    ("ratio", "temporal", "center"),
    [
        (0.5, "....####", "..####.."),
        (0.25, "......##", "...##..."),
        (0.4, ".....###", "...###.."),
        (0.9, ".#######", ".######."),
        (0.01, ".......#", "....#..."),
    ],
)
def test_snapped_masks_hide_whole_frames(ratio: float, temporal: str, center: str) -> None:
    for mask, expected in ((Temporal(ratio=ratio), temporal), (Center(ratio=ratio), center)):
        hidden = mask.hidden((8, 3, 5), rngs(2))
        assert (hidden.sum(axis=1) == mask.hidden_count((8, 3, 5))).all()
        frames = hidden.reshape(2, 8, 15)
        assert (frames == frames[:1, :, :1]).all()
        assert "".join(".#"[int(each)] for each in frames[0, :, 0]) == expected


@pytest.mark.parametrize(("mask", "grid"), [(Temporal(), (1, 4, 4)), (Center(), (2, 4, 4))])
def test_a_clip_too_short_to_snap_is_refused(mask: Temporal | Center, grid: Grid) -> None:
    with pytest.raises(ValueError, match=r"use a longer clip or snap: false"):
        mask.hidden(grid, rngs(1))
