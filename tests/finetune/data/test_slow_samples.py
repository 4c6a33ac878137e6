"""Samples that repeat pictures are told by `labels` and at the start of a run."""

from pathlib import Path

import pytest

from finetune.cli import RECIPES, main
from finetune.config import FinetuneConfig
from finetune.data.datasets import open_datasets
from launch.distributed.process_group import Processes
from launch.recipe import load_recipe
from tests.finetune.runs import words
from tests.video.readers.test_image_readers import folder_of

SLOW = "2 recordings have fewer frames per second than their clips: 16 frames of "


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two folders of images, one a second, with a phase for each second."""
    for name in ("VID01", "VID02"):
        folder_of(tmp_path / name, list(range(40)))
        rows = "".join(f"{second},{'ab'[second // 20]}\n" for second in range(40))
        (tmp_path / f"{name}.csv").write_text(f"time,phase\n{rows}")
    return tmp_path


def test_frames_and_samples_more_often_than_pictures_are_told(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["labels", str(folders), str(folders)]
    main(words)
    assert "warning" not in capsys.readouterr().out
    main([*words, "--rate", "5", "--set", "sampling={step_seconds: 0.16}"])
    of_frames, of_rate = (
        line for line in capsys.readouterr().out.splitlines() if line.startswith("warning")
    )
    assert of_frames.startswith(f"warning: sampling: 2 of {SLOW}")
    assert "show 4 pictures; sample fewer frames per second" in of_frames
    assert of_rate.startswith(f"warning: rate 5: 2 of {SLOW}")
    assert "show 4 pictures; lower rate" in of_rate


@pytest.mark.parametrize("sampling", ["sampling={kind: sparse}", "sampling={stride: 4}"])
def test_samplings_that_count_frames_repeat_none(
    folders: Path, sampling: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folders / "train.csv").write_text("path,label\nVID01,a\nVID02,b\n")
    words = ["labels", str(folders / "train.csv"), "--kind", "clips"]
    main([*words, "--set", sampling])
    assert "warning" not in capsys.readouterr().out
    main([*words, "--set", "sampling={frame_rate: 6.25}"])
    assert f"warning: sampling: 2 of {SLOW}" in capsys.readouterr().out


@pytest.mark.usefixtures("single_process")
def test_a_run_tells_them_at_its_start(folders: Path, tmp_path: Path) -> None:
    (folders / "split.yaml").write_text("train: [VID01]\n")
    recipe, *given = words(folders, tmp_path, "data.dataset.rate=5")
    config = load_recipe(FinetuneConfig, recipe, given, RECIPES)
    lines = open_datasets(config, tmp_path, Processes()).lines
    starts = [line.partition(" 1 of 1 recording")[0] for line in lines if "warning" in line]
    assert starts == ["warning: sampling:", "warning: rate 5:"], lines
