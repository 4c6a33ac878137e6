"""Labels with a line for each frame of recordings that are not at label_fps."""

import subprocess
from pathlib import Path

import pytest

from finetune.cli import RECIPES, main
from finetune.config import FinetuneConfig
from finetune.data.datasets import open_datasets
from launch.distributed.process_group import Processes
from launch.recipe import load_recipe
from tests.finetune.runs import words


def record(folder: Path, name: str, rate: str) -> None:
    """A recording of about 14.7 s, and a line of labels for each of its frames."""
    video = f"testsrc2=size=64x48:rate={rate}:duration=14.7"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", video, str(folder / f"{name}.mp4")]
    subprocess.run(command, check=True)
    lines = [f"{frame}\t{'ab'[frame // 150 % 2]}" for frame in range(round(14.7 * float(rate)))]
    (folder / f"{name}-phase.txt").write_text("\n".join(["Frame\tPhase", *lines]))


def warnings(capsys: pytest.CaptureFixture[str], folder: Path, *options: str) -> list[str]:
    main(["labels", str(folder), str(folder), *options])
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning")]


def test_the_rate_of_the_recording_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, "a", "20")
    (line,) = warnings(capsys, tmp_path)
    assert line.startswith("warning: 1 of 1 recordings have a label for each frame, but another ")
    assert (
        "a.mp4 has 294 frames, 20 a second, and labels up to frame 294, read as 25 a second, so "
        "that the last is shifted by 2.9 s; set --label-fps=20" in line
    )
    assert warnings(capsys, tmp_path, "--label-fps=20") == []
    assert warnings(capsys, tmp_path, "--label-fps=20.1") == []  # shifted by less than a sample
    (sparse,) = warnings(capsys, tmp_path, "--label-fps=100")
    assert "at less than half" in sparse and "set --label-fps=20, with which" in sparse
    record(tmp_path, "b", "15")
    (line,) = warnings(capsys, tmp_path)
    assert "2 of 2 recordings" in line
    assert "the frame rates are 15, 20: give a CSV file with times in seconds, or record" in line


@pytest.mark.usefixtures("single_process")
def test_a_run_names_its_key(tmp_path: Path) -> None:
    record(tmp_path, "a", "20")
    record(tmp_path, "b", "25")
    (tmp_path / "split.yaml").write_text("train: [a, b]\n")
    recipe, *given = words(tmp_path, tmp_path / "run", "data.dataset.classes=null")
    config = load_recipe(FinetuneConfig, recipe, given, RECIPES)
    lines = open_datasets(config, tmp_path, Processes()).lines
    (line,) = (line for line in lines if "a label for each frame" in line)
    assert line.startswith("warning: 1 of 2 recordings") and "a.mp4 has 294 frames" in line
    assert line.endswith("; set data.dataset.label_fps=20")
