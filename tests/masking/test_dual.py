import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from masking import GENERATORS, Counts, DualMasking, Grid, RunningCell, Tube
from masking.running_cell import cell_maps

FIXTURES = Path(__file__).parent / "fixtures"
UPSTREAM = json.loads((FIXTURES / "public_mask_edge_cases.json").read_text())["dual_mask_stats"]
VIT_BASE = (8, 14, 14)


def rngs(samples: int) -> list[np.random.Generator]:
    return [np.random.default_rng(sample) for sample in range(samples)]


def build(
    encoder: str, decoder: str | None, encoder_ratio: float = 0.75, **settings: object
) -> DualMasking:
    values = {"encoder": {"kind": encoder, "ratio": encoder_ratio}, **settings}
    values["decoder"] = decoder and {"kind": decoder, "ratio": 0.5}
    return TypeAdapter(DualMasking).validate_python(values)


def loss_tokens(visible: np.ndarray, decoded: np.ndarray) -> int:
    return len(np.setdiff1d(decoded, visible))


@pytest.mark.parametrize("ratio", UPSTREAM)
def test_counts_of_upstream(ratio: str) -> None:
    expected = UPSTREAM[ratio]
    masking = DualMasking(encoder=Tube(ratio=0.9), decoder=RunningCell(ratio=float(ratio)))
    counts = masking.counts(VIT_BASE)
    assert counts == (1568, expected["visible"], expected["dec_mask_tokens"], expected["loss_min"])
    assert counts.visible + counts.decoded == expected["decoder_seq"]


@pytest.mark.parametrize("decoder", [*GENERATORS, None])
@pytest.mark.parametrize("encoder", GENERATORS)
@pytest.mark.parametrize("decode_visible", [True, False])
def test_counts_are_exact_for_every_sample_and_pair(
    encoder: str, decoder: str | None, decode_visible: bool
) -> None:
    masking = build(encoder, decoder, decode_visible=decode_visible)
    for grid in ((8, 6, 6), (7, 5, 9), (5, 3, 3)):
        counts, masks = masking.counts(grid), masking.draw(grid, rngs(6))
        assert counts.tokens == np.prod(grid)
        assert masks.visible.shape == (6, counts.visible)
        assert masks.decoded.shape == (6, counts.decoded)
        for visible, decoded in zip(*masks, strict=True):
            assert (np.diff(visible) > 0).all() and (np.diff(decoded) > 0).all()
            assert loss_tokens(visible, decoded) == counts.loss
        if not decode_visible:
            assert counts.decoded == counts.loss


@pytest.mark.parametrize("encoder_ratio", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("decoder_ratio", [0.05, 0.5, 0.95])
def test_counts_are_exact_at_extreme_ratios(encoder_ratio: float, decoder_ratio: float) -> None:
    values = {
        "encoder": {"kind": "random", "ratio": encoder_ratio},
        "decoder": {"kind": "random", "ratio": decoder_ratio},
    }
    masking, grid = TypeAdapter(DualMasking).validate_python(values), (5, 6, 7)
    counts, masks = masking.counts(grid), masking.draw(grid, rngs(20))
    for visible, decoded in zip(*masks, strict=True):
        assert len(visible) == counts.visible and len(decoded) == counts.decoded
        assert loss_tokens(visible, decoded) == counts.loss


@pytest.mark.parametrize("random_phase", [False, True])
@pytest.mark.parametrize("grid", [VIT_BASE, (4, 4, 6), (12, 5, 7)])
def test_tube_and_running_cell_flip_nothing(grid: Grid, random_phase: bool) -> None:
    cell = RunningCell(ratio=0.5, random_phase=random_phase)
    masks = DualMasking(encoder=Tube(ratio=0.75), decoder=cell).draw(grid, rngs(12))
    patterns = [np.flatnonzero(~hidden).tolist() for hidden in cell_maps(grid, 0.5, random_phase)]
    assert all(decoded.tolist() in patterns for decoded in masks.decoded)


def test_without_decoder_mask_everything_hidden_is_decoded() -> None:
    masking = DualMasking(encoder=Tube(ratio=0.9), decoder=None)
    assert masking.counts(VIT_BASE) == Counts(1568, 160, 1408, 1408)
    for visible, decoded in zip(*masking.draw(VIT_BASE, rngs(4)), strict=True):
        assert np.union1d(visible, decoded).tolist() == list(range(1568))
        assert len(visible) + len(decoded) == 1568


def test_decode_visible_off_skips_exactly_what_the_encoder_saw() -> None:
    both, hidden_only = DualMasking(), DualMasking(decode_visible=False)
    drawn, skipped = both.draw(VIT_BASE, rngs(4)), hidden_only.draw(VIT_BASE, rngs(4))
    assert (drawn.visible == skipped.visible).all()
    for visible, decoded, expected in zip(*drawn, skipped.decoded, strict=True):
        assert np.setdiff1d(decoded, visible).tolist() == expected.tolist()


@pytest.mark.parametrize("grid", [VIT_BASE, (7, 5, 9)])
@pytest.mark.parametrize(("encoder", "decoder"), [("tube", "running_cell"), ("random", "frame")])
def test_masks_depend_on_the_samples_own_generator_alone(
    encoder: str, decoder: str, grid: Grid
) -> None:
    masking = build(encoder, decoder)
    batch = masking.draw(grid, rngs(5))
    for sample, rng in enumerate(rngs(5)):
        alone = masking.draw(grid, [rng])
        assert (alone.visible[0] == batch.visible[sample]).all()
        assert (alone.decoded[0] == batch.decoded[sample]).all()


def test_what_the_encoder_sees_does_not_depend_on_the_decoder() -> None:
    drawn = [build("tube", decoder).draw(VIT_BASE, rngs(3)) for decoder in [*GENERATORS, None]]
    assert all((masks.visible == drawn[0].visible).all() for masks in drawn)


def test_masks_without_loss_tokens_are_refused() -> None:
    values = {
        "encoder": {"kind": "random", "ratio": 0.1},
        "decoder": {"kind": "random", "ratio": 0.95},
    }
    masking = TypeAdapter(DualMasking).validate_python(values)
    with pytest.raises(
        ValueError, match=r"encoder ratio 0.1 .* leave no token of grid \(2, 3, 3\)"
    ):
        masking.counts((2, 3, 3))


def test_a_recipe_is_checked() -> None:
    with pytest.raises(ValidationError, match=r"ratio must be 0\.25, 0\.5 or 0\.75"):
        build("running_cell", None, encoder_ratio=0.9)
    with pytest.raises(ValidationError, match="decode_all"):
        build("tube", None, decode_all=True)
    dumped = TypeAdapter(DualMasking).dump_python(DualMasking())
    assert TypeAdapter(DualMasking).validate_python(dumped) == DualMasking()


@pytest.mark.parametrize("grid", [(8, 14, 14), (8, 7, 10)])
def test_no_token_outside_the_field_of_view_is_decoded(grid: Grid) -> None:
    masking = DualMasking(decode_visible=False)
    counts = masking.counts(grid)
    frames, rows, columns = grid
    y, x = np.mgrid[:rows, :columns]
    cells = ((y + 0.5) / rows - 0.5) ** 2 + ((x + 0.5) / columns - 0.5) ** 2 < 0.46**2
    assert cells.mean() >= masking.least_inside(grid)
    inside = np.tile(cells.reshape(-1), frames)
    masks = masking.draw(grid, rngs(30), np.tile(inside, (30, 1)))
    assert masks.decoded.shape == (30, counts.loss)
    assert inside[masks.decoded].all()
    for visible, decoded in zip(masks.visible, masks.decoded, strict=True):
        assert not set(visible.tolist()) & set(decoded.tolist())
        assert (np.diff(decoded) > 0).all()
    whole = masking.draw(grid, rngs(30))
    np.testing.assert_array_equal(masks.visible, whole.visible)


def test_too_small_a_field_of_view_and_masks_that_ask_all_are_refused() -> None:
    grid = (8, 14, 14)
    few = np.zeros((1, 8 * 14 * 14), bool)
    few[:, : 8 * 14 * 4] = True
    with pytest.raises(ValueError, match="is more than the tokens"):
        DualMasking(decode_visible=False).draw(grid, rngs(1), few)
    with pytest.raises(ValueError, match="decode_visible: false"):
        DualMasking().least_inside(grid)
    assert DualMasking(decode_visible=False).least_inside(grid) == pytest.approx(0.55, abs=0.01)
