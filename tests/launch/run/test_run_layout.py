"""Files of a run folder that are folders, and folders that are files, are named at the start."""

import os
from pathlib import Path

import pytest

from launch.errors import ConfigError
from launch.run.run_layout import RunLayout, require_layout

STAGE = RunLayout(("encoder.safetensors",), ("evaluation_test",))


def test_an_empty_or_complete_folder_is_accepted(tmp_path: Path) -> None:
    require_layout(tmp_path, STAGE)
    (tmp_path / "checkpoints/step-0000001").mkdir(parents=True)
    (tmp_path / "checkpoints/latest").touch()
    for name in ("log.jsonl", "config.yaml", "encoder.safetensors", "notes", "evaluation_val"):
        (tmp_path / name).touch()
    require_layout(tmp_path, STAGE)


@pytest.mark.parametrize(
    "name",
    [
        *("log.jsonl", "environment.json", "config.yaml.tmp", "encoder.safetensors"),
        *("checkpoints/latest", "log_removed.jsonl"),
    ],
)
@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_no_file_in_the_place_of_a_file_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(ConfigError, match=f"{name} is not a file, but a run writes one there"):
        require_layout(tmp_path, STAGE)


@pytest.mark.parametrize(
    "name",
    [
        *("checkpoints", "tensorboard", "wandb", "evaluation_test"),
        *("checkpoints/step-0000009", "checkpoints/step-0000009.tmp"),
    ],
)
def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("x")
    with pytest.raises(ConfigError, match=f"{name} is not a folder, but a run writes one there"):
        require_layout(tmp_path, STAGE)
