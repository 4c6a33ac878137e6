"""Labels that count in another rate than label_fps, at the start of a run."""

from pathlib import Path

import pytest

from finetune.cli import RECIPES, main
from finetune.config import FinetuneConfig
from finetune.data.datasets import open_datasets
from launch.distributed.process_group import Processes
from launch.recipe import load_recipe
from tests.finetune.runs import words
from video.synthetic import PHASES


def warnings(labelled: Path, folder: Path, *overrides: str) -> list[str]:
    recipe, *given = words(labelled, folder, *overrides)
    config = load_recipe(FinetuneConfig, recipe, given, RECIPES, run=str(folder))
    lines = open_datasets(config, folder, Processes()).lines
    return [line for line in lines if line.startswith("warning: ") and "have labels" in line]


@pytest.mark.usefixtures("single_process")
def test_a_run_names_the_key_and_the_rate_that_fits(labelled: Path, tmp_path: Path) -> None:
    (line,) = warnings(labelled, tmp_path, "data.dataset.label_fps=100")
    assert line.startswith("warning: 4 of 4 recordings have labels at less than half of their time")
    assert ", the last at " in line
    assert "; its labels count in frames, 100 a second: if that is not their rate, set" in line
    assert "set data.dataset.label_fps=25, with which they end where the recording ends" in line
    assert warnings(labelled, tmp_path) == []


@pytest.mark.usefixtures("single_process")
def test_a_named_set_has_its_name_in_the_key(labelled: Path, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("\n".join(each.name for each in PHASES))
    space = tmp_path / "space.yaml"
    main(["merge", str(space), f"mine={tmp_path}/classes.txt"])
    mine = f"{{source: {labelled}, labels: {labelled}, split: {labelled}/split.yaml"
    named = f"{{mine: {mine}, kind: timestamps, label_fps: 100}}}}"
    data = f"data={{workers: 0, label_space: {space}, datasets: {named}}}"
    config = load_recipe(FinetuneConfig, "demo", [data], RECIPES, run=str(tmp_path))
    lines = open_datasets(config, tmp_path, Processes()).lines
    (line,) = (line for line in lines if "have labels at less than" in line)
    assert line.startswith("mine: warning: ")
    assert "set data.datasets.mine.label_fps=25, with which they end" in line
