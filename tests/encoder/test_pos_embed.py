from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import nn

from encoder.checkpoint.load import load_encoder
from encoder.checkpoint.native_format import save_encoder
from encoder.config import EncoderConfig, Grid
from encoder.pos_embed import computed_positions, resize_positions, sincos3d_table, sinusoid_table
from encoder.pos_embed_kinds import POS_EMBEDS, PosEmbedKind
from encoder.vit import VideoEncoder

RECORDED = np.load(Path(__file__).parent / "fixtures/public_sinusoid_rows.npz")
TABLES = load_file(Path(__file__).parent / "checkpoint/fixtures/pos/public_pos_inflate.safetensors")


def test_table_is_the_recorded_one() -> None:
    sizes = [name for name in RECORDED.files if not name.endswith("_idx")]
    assert sizes
    for name in sizes:
        tokens, dim = map(int, name.split("x"))
        rows = sinusoid_table(tokens, dim)[RECORDED[f"{name}_idx"]]
        torch.testing.assert_close(rows, torch.from_numpy(RECORDED[name]), atol=1e-6, rtol=0)


def test_an_odd_width_ends_with_a_sine() -> None:
    table = sinusoid_table(5, 3)
    assert table.shape == (5, 3)
    torch.testing.assert_close(table[:, 2], torch.sin(torch.arange(5) / 10000 ** (2 / 3)))


@pytest.mark.parametrize(("side", "frames", "dim"), [(14, 2, 32), (4, 2, 48)])
def test_the_table_in_three_dimensions_is_the_recorded_one(
    side: int, frames: int, dim: int
) -> None:
    table = sincos3d_table((frames, side, side), dim)
    recorded = TABLES[f"sincos3d_g{side}_t{frames}_d{dim}"][0]
    torch.testing.assert_close(table, recorded, atol=1e-6, rtol=0)


def test_real_size_has_the_recorded_sums() -> None:
    table = sincos3d_table((8, 14, 14), 768)
    assert float(table.double().sum()) == pytest.approx(564278.7861437683, abs=0.05)
    assert table[1567, 192:196].tolist() == pytest.approx(
        [0.42016706, -0.36331707, -0.90329003, -0.96500885], abs=1e-6
    )


def test_rows_and_columns_of_a_rectangular_grid_differ() -> None:
    table = sincos3d_table((1, 2, 3), 16)
    columns, rows = table[:, 4:10], table[:, 10:]
    assert torch.equal(columns[0], columns[3]) and torch.equal(rows[0], rows[2])
    assert not torch.equal(columns[0], columns[1]) and not torch.equal(rows[0], rows[3])


def test_resizing_keeps_what_does_not_change() -> None:
    """Frames are interpolated linearly; a constant table stays constant."""
    grid, dim = (4, 6, 8), 5
    table = torch.randn(4 * 6 * 8, dim)
    assert resize_positions(table, grid, grid) is table
    longer = resize_positions(table, grid, (8, 6, 8)).view(8, 48, dim)
    frames = table.view(4, 48, dim)
    torch.testing.assert_close(longer[1], 0.75 * frames[0] + 0.25 * frames[1])
    torch.testing.assert_close(longer[0], frames[0])
    constant = torch.ones(192, dim)
    for target in ((4, 12, 16), (2, 3, 4), (7, 5, 9)):
        torch.testing.assert_close(
            resize_positions(constant, grid, target), torch.ones(np.prod(target), dim)
        )


def test_space_and_time_are_interpolated_separately() -> None:
    frame = torch.randn(1, 14 * 14, 16)
    table = frame.expand(8, -1, -1).reshape(-1, 16)
    larger = resize_positions(table, (8, 14, 14), (8, 28, 28)).view(8, -1, 16)
    assert torch.allclose(larger[0], larger[7], atol=1e-6)


def test_a_computed_table_is_interpolated_from_the_trained_grid() -> None:
    trained, grid = (8, 4, 4), (16, 4, 4)
    table = computed_positions("sinusoid", grid, 16, trained)
    assert table.shape == (256, 16)
    assert not torch.allclose(table, sinusoid_table(256, 16), atol=0.1)
    even = table.view(16, 16, 16)
    original = sinusoid_table(128, 16).view(8, 16, 16)
    torch.testing.assert_close(even[1], 0.75 * original[0] + 0.25 * original[1])


@pytest.mark.parametrize(("side", "dim"), [(14, 32), (4, 48)])
def test_recorded_tables_with_a_class_token_or_a_time_scale(side: int, dim: int) -> None:
    """The recorded row of a class token is 0; `scale_t` 2 gives the table of every second frame."""
    name, places = f"sincos3d_g{side}_t2_d{dim}", side * side
    recorded = TABLES[f"{name}_cls"][0]
    assert not recorded[0].any()
    torch.testing.assert_close(sincos3d_table((2, side, side), dim), recorded[1:])
    longer = sincos3d_table((4, side, side), dim).view(4, places, dim)
    slower = TABLES[f"{name}_scale2"][0].view(2, places, dim)
    torch.testing.assert_close(longer[::2], slower, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("tokens", "dim"), [(24, 48), (196, 32)])
def test_the_flat_table_is_the_recorded_one(tokens: int, dim: int) -> None:
    recorded = TABLES[f"sinusoid_n{tokens}_d{dim}"][0]
    torch.testing.assert_close(sinusoid_table(tokens, dim), recorded, atol=1e-6, rtol=0)


def test_a_position_embedding_is_one_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A plugin's learned embedding per row and column of the grid: built, saved, interpolated."""

    class AxialPositions(nn.Module):
        def __init__(self, grid: Grid, dim: int) -> None:
            super().__init__()
            self.grid = grid
            self.row = nn.Parameter(torch.randn(grid[1], dim))
            self.column = nn.Parameter(torch.randn(grid[2], dim))

        def forward(self, index: torch.Tensor | None) -> torch.Tensor:
            table = (self.row[:, None] + self.column).flatten(0, 1).repeat(self.grid[0], 1)
            return table[None] if index is None else table[index]

    with pytest.raises(ValidationError, match=r"'axial' is none of sinusoid, .*, separable"):
        EncoderConfig(pos_embed="axial")
    row = PosEmbedKind(AxialPositions, {"row": "h", "column": "w"}, divisor=4)
    monkeypatch.setitem(POS_EMBEDS, "axial", row)
    with pytest.raises(ValidationError, match="embed_dim 18 is not divisible by 4"):
        EncoderConfig(pos_embed="axial", embed_dim=18, num_heads=3)
    config = EncoderConfig(
        pos_embed="axial", embed_dim=48, depth=1, num_heads=3, num_frames=4, image_size=(32, 48)
    )
    encoder = VideoEncoder(config)
    assert encoder(torch.zeros(1, 4, 32, 48, 3)).tokens.shape == (1, 2 * 2 * 3, 48)
    save_encoder(tmp_path / "encoder.safetensors", encoder.state_dict(), config)
    same = load_encoder(tmp_path / "encoder.safetensors").encoder
    assert torch.equal(same.positions.column, encoder.positions.column)
    larger, report = load_encoder(
        tmp_path / "encoder.safetensors", replace(config, image_size=(64, 48))
    )
    assert torch.equal(larger.positions.column, encoder.positions.column)
    expected = resize_positions(encoder.positions.row.data, (1, 2, 1), (1, 4, 1))
    torch.testing.assert_close(larger.positions.row.data, expected)
    assert "positions.row: interpolated from 2 to 4" in str(report)
