from pathlib import Path

import numpy as np
import torch

from encoder.positions import sinusoid_table

RECORDED = np.load(Path(__file__).parent / "fixtures/public_sinusoid_rows.npz")


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
