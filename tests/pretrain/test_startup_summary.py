"""The lines at the end of a run, also of one that could learn nothing."""

import json
from pathlib import Path

import numpy as np
import pytest

from pretrain.startup_summary import _last_loss
from tests.pretrain.runs import run_alone, words
from video.encode import AS_RECORDED, write_h264

FLAT = "so there is nothing to learn; look at the recordings with python -m video preview"


@pytest.mark.parametrize("brightness", [0, 128])
def test_a_run_on_one_colour_ends_well_and_says_so_from_the_first_step(
    tmp_path: Path, brightness: int
) -> None:
    picture = np.full((64, 64, 3), brightness, dtype=np.uint8)
    frames = ((n / 25, picture) for n in range(75))
    (tmp_path / "recordings").mkdir()
    write_h264(tmp_path / "recordings/still.mp4", frames, 25, AS_RECORDED)
    arguments = words(tmp_path / "recordings", tmp_path / "run", "schedule.steps=2")
    done = run_alone(arguments)
    assert done.returncode == 0, done.stderr
    assert f"warning: step 1: the clips are of one colour (constant baseline 0), {FLAT}" in (
        done.stdout
    )
    assert "complete: 2 steps; mse loss 0." in done.stdout and done.stdout.count(FLAT) == 2
    assert (tmp_path / "run/encoder.safetensors").is_file()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            [{"step": 2, "loss/train": 0.6, "loss/constant_baseline": 0.8}],
            "mse loss 0.600, 25% below that of the constant baseline (0.800)",
        ),
        (
            [{"step": 2, "loss/train": 0.6, "loss/trivial": 0.5}],  # of an earlier version
            "mse loss 0.600, 20% above that of the constant baseline (0.500)",
        ),
        (
            [{"step": 1, "loss/constant_baseline": 0.8}, {"step": 2, "loss/train": 0.6}],
            "mse loss 0.600",
        ),
        ([], "log.jsonl has no loss"),
    ],
)
def test_the_last_loss_is_compared_with_the_baseline_of_its_clips(
    tmp_path: Path, lines: list[dict[str, float]], expected: str
) -> None:
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert _last_loss("mse", tmp_path).removeprefix(f"{tmp_path}/") == expected
