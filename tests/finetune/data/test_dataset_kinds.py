"""Kinds of labelled sets: a row of the table is all that a new kind needs."""

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic.dataclasses import dataclass

from finetune.cli import RECIPES, main
from finetune.config import FinetuneConfig
from finetune.data.clip_sampling import ClipSampling
from finetune.data.dataset_kinds import DATASET_KINDS, DatasetConfig
from finetune.data.datasets import open_datasets
from finetune.data.labelled_set import LabelledSet
from finetune.data.recording_opener import RecordingOpener
from launch.config import STRICT
from launch.distributed.process_group import Processes
from launch.errors import ConfigError
from launch.recipe import dump_recipe, load_recipe
from video.labels.align import LabelTrack


@dataclass(frozen=True, config=STRICT)
class NamedFiles:
    """Whole recordings; the label is the last character of the file's name."""

    ordered_in_time: ClassVar[bool] = False
    multiple_test_clips: ClassVar[bool] = True
    multi_label: ClassVar[bool] = False
    cli_arguments: ClassVar[tuple[str, ...]] = ("folder",)

    folder: Path
    """The recordings."""
    kind: Literal["named_files"] = "named_files"
    """Its name."""
    classes: tuple[str, ...] | None = None
    """Class names."""
    sampling: ClipSampling = field(default_factory=ClipSampling)
    """Frames."""

    def training_problem(self) -> str:
        return "" if self.classes else "classes: is missing"

    def load(self, opener: RecordingOpener, classes: Sequence[str] | None) -> LabelledSet:
        import numpy as np

        recordings = opener.open_source(self.folder)
        labels = [Path(each.path).stem[-1] for each in recordings]
        names = tuple(classes or sorted(set(labels)))
        tracks = [
            LabelTrack(
                each, np.zeros(1), np.array([names.index(label)]), 0, 0, np.array([each.seconds])
            )
            for each, label in zip(recordings, labels, strict=True)
        ]
        return LabelledSet(names, {"train": tracks})


def load(*overrides: str) -> FinetuneConfig:
    return load_recipe(FinetuneConfig, "demo", overrides, RECIPES, run="x")


@pytest.mark.parametrize("name", DATASET_KINDS)
def test_every_row_has_the_interface(name: str) -> None:
    cls = DATASET_KINDS[name]
    arguments = dict.fromkeys(cls.cli_arguments, "x")
    assert isinstance(cls(**arguments), DatasetConfig) and cls(**arguments).kind == name


@pytest.mark.usefixtures("single_process")
def test_a_new_row_is_read_from_a_recipe_and_by_the_command(
    operations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    dataset = f"data.dataset={{kind: named_files, folder: {operations}, classes: ['1', '2']}}"
    with pytest.raises(ConfigError, match="kind 'named_files' is none of timestamps, clips"):
        load(dataset)
    monkeypatch.setitem(DATASET_KINDS, "named_files", NamedFiles)
    config = load(dataset)
    (tmp_path / "config.yaml").write_text(dump_recipe(config))
    again = load_recipe(FinetuneConfig, str(tmp_path / "config.yaml"), (), tmp_path)
    assert again == config and isinstance(again.data.dataset, NamedFiles)
    sets = open_datasets(config, tmp_path, Processes())
    assert sets.classes == ("1", "2")
    assert [int(each.track.labels[0]) for each in sets.parts["train"]] == [0, 1]
    main(["labels", str(operations), "--kind", "named_files"])
    assert "2 labelled clips of 2 recordings: 1 50%, 2 50%" in capsys.readouterr().out


def test_what_a_row_says_decides_what_a_recipe_may_combine(
    operations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATASET_KINDS, "named_files", NamedFiles)
    row = f"{{kind: named_files, folder: {operations}, classes: ['1', '2']}}"
    assert load(f"data.dataset={row}", "test_views.clips=5").test_views.clips == 5
    with pytest.raises(ConfigError, match=r"test_views\.clips: timestamps have one window"):
        load("test_views.clips=5")
    load("validation.metric=phase accuracy")
    with pytest.raises(ConfigError, match="phase accuracy needs labels in time"):
        load(f"data.dataset={row}", "validation.metric=phase accuracy")
    with pytest.raises(ConfigError, match=r"dataset\.classes: is missing"):
        load(f"data.dataset={{kind: named_files, folder: {operations}}}")
    with pytest.raises(ConfigError, match=r"dataset\.split: is missing; give a YAML file"):
        load("data.dataset.split=null")
