import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.launch.test_plugins import PLUGIN

ROOT = Path(__file__).parents[2]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "masking", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_an_image_and_the_counts(tmp_path: Path) -> None:
    out = tmp_path / "masks.png"
    done = run("--grid", "8", "14", "14", "--random-phase", "--out", str(out))
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[-2:] for line in done.stdout.splitlines()[:4]] == [
        ["1568", "100.0%"],
        ["160", "10.2%"],
        ["784", "50.0%"],
        ["704", "44.9%"],
    ]
    with Image.open(out) as picture:
        assert picture.width > picture.height > 300


def test_masks_of_a_plugin_are_drawn(tmp_path: Path) -> None:
    (tmp_path / "checker_masks.py").write_text(PLUGIN)
    arguments = ("--grid", "4", "6", "6", "--encoder", "checker", "--out", str(tmp_path / "m.png"))
    given = {"PYTHONPATH": str(tmp_path), "SURGMASK_PLUGINS": "checker_masks"}
    assert run(*arguments, **given).returncode == 0
    missing = run(*arguments, SURGMASK_PLUGINS="absent_masks")
    assert missing.returncode == 2 and missing.stderr == (
        "python -m masking: SURGMASK_PLUGINS: absent_masks cannot be imported ("
        "ModuleNotFoundError: No module named 'absent_masks'); put its folder on PYTHONPATH\n"
    )


def test_decoding_all_hidden_tokens(tmp_path: Path) -> None:
    out = str(tmp_path / "masks.png")
    done = run("--grid", "4", "6", "6", "--encoder", "center", "--decoder", "none", "--out", out)
    assert done.returncode == 0
    assert "decoded           72    50.0%" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--grid 8 14 14 --encoder-ratio 1.5", "--encoder-ratio 1.5: ratio must be above 0"),
        ("--grid 8 14 14 --decoder-ratio 0.9", "--decoder-ratio 0.9: ratio must be 0.25, 0.5"),
        ("--grid 8 14 0", "grid (8, 14, 0) must be three counts of at least 1"),
        ("--grid 8 14", "argument --grid: expected 3 arguments"),
        ("--grid 8 1 1", "ratio 0.9 hides none of the 1 positions of grid (8, 1, 1)"),
        ("--grid 8 1000 1000", "too many for one image"),
        ("--grid 8 14 14 --decoder tubes", "argument --decoder: invalid choice: 'tubes'"),
        (
            "--grid 8 14 14 --decoder random --random-phase",
            "--random-phase needs --decoder running_cell",
        ),
        ("--grid 4 4 4 --out no/folder/masks.png", "--out no/folder/masks.png: cannot be written"),
        ("--grid 4 4 4 --out masks.txt", "--out masks.txt: cannot be written"),
    ],
)
def test_errors_are_one_line_and_status_2(arguments: str, message: str, tmp_path: Path) -> None:
    out = [] if "--out" in arguments else ["--out", str(tmp_path / "masks.png")]
    done = run(*arguments.split(), *out)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""
