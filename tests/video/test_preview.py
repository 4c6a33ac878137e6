"""`preview`: clips as training sees them, on one sheet."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.video.conftest import write
from video.cli import main


def test_a_sheet_has_a_row_for_each_clip(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "raw").mkdir()
    write(tmp_path / "raw/a.mp4", [40 * n for n in range(200)])
    write(tmp_path / "raw/short.mp4", [0, 40, 80])
    sheets = []
    for name in ("one.png", "two.png"):
        words = ["--clips", "3", "--frames", "8", "--image-size", "32", "--frame-rate", "4"]
        assert main(["preview", str(tmp_path / "raw"), "--out", str(tmp_path / name), *words]) == 0
        sheets.append(np.asarray(Image.open(tmp_path / name)))
    out = capsys.readouterr().out
    reason = "short.mp4: is 0.12 s long, a clip 1.79 s; give --short-videos clamp or loop, or a"
    assert out.count(f"left out: {tmp_path}/raw/{reason} higher --frame-rate") == 2
    assert out.count("3 clips of 8 frames") == 2
    looped = ["--short-videos", "loop", "--frames", "8", "--frame-rate", "4", "--image-size", "32"]
    assert main(["preview", str(tmp_path / "raw"), "--out", str(tmp_path / "l.png"), *looped]) == 0
    assert "left out" not in capsys.readouterr().out
    np.testing.assert_array_equal(*sheets)
    rows = np.split(sheets[0], 3)
    assert all(row[30:].std() > 20 for row in rows)
    assert main(["preview", str(tmp_path / "raw"), "--out", str(tmp_path / "no/x.png")]) == 2
    assert "no/x.png: No such file or directory; choose another path" in capsys.readouterr().err
