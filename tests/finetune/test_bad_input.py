"""Errors of users in a finetuning run: one line that says what to change, exit status 2."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from finetune.cli import RECIPES, main
from finetune.config import FinetuneConfig
from finetune.data.datasets import open_datasets
from finetune.data.splits import SplitError, find_split, read_split
from finetune.evaluation.predictions import (
    Predictions,
    PredictionsError,
    join_predictions,
    load_predictions,
    save_predictions,
)
from finetune.model.build import read_spec
from finetune.run import build_model
from launch.distributed.process_group import Processes
from launch.errors import ConfigError
from launch.recipe import load_recipe
from tests.finetune.runs import finetune, words


def refused(folder: Path, *arguments: str) -> str:
    """The error of a run that cannot start, up to the building of its network."""
    folder.mkdir(exist_ok=True)
    config = load_recipe(FinetuneConfig, arguments[0], arguments[1:], RECIPES, run=str(folder))
    with pytest.raises(ValueError) as caught:
        sets = open_datasets(config, folder, Processes())
        build_model(config, sets, None, folder, Processes())
    assert caught.value.exit_status == 2 and caught.value.on_every_process
    assert "\n" not in str(caught.value)
    return str(caught.value)


def split_of(folder: Path, text: str) -> str:
    (folder / "other.yaml").write_text(text)
    return f"data.dataset.split={folder / 'other.yaml'}"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.dataset.window=1", "data.dataset.window: no such key"),
        ("tuning.kind=probe", "tuning: kind 'probe' is none of full, partial"),
        ("tuning={kind: partial}", "tuning.blocks: is missing"),
        ("tuning={kind: linear_probe, blocks: 3}", "tuning.blocks"),
        ("head.kind=tns", "head: kind 'tns' is none of linear"),
        ("data.read_timeout=9999", "data.read_timeout 9999 is not below engine.collective_timeout"),
        ("tuning={kind: attentive_probe}", "head.kind: linear is not for tuning attentive_probe"),
        (
            "data.dataset.multi_label=true",
            "loss.kind: cross_entropy does not fit multi_label true; take bce",
        ),
        ("test_views.clips=5", "test_views.clips: timestamps have one window in time"),
        (
            "data.clips_per_read=3",
            "batch.micro_batch_size 8 is not a multiple of data.clips_per_read",
        ),
        ("data.augmentation.rand_augment=rand-m7-x4", "no section 'x4'"),
        ("data.augmentation.scale=[1, 0.5]", "the first number is the larger one"),
        ("head_init.label_space=space.yaml", "head_init: needs the head of backbone.weights"),
        (
            "data.datasets={a: {kind: clips, clips: a.csv}}",
            "data: dataset and datasets a are both given; set data.dataset=null or "
            "data.datasets={}",
        ),
        (
            "backbone={weights: missing.pt, patch_size: 8}",  # true of a file that is not there
            "backbone: patch_size 8 and weights missing.pt are both given, and sizes are those of "
            "the weights; set backbone.patch_size=null, or backbone.weights=null",
        ),
        ("data.dataset=null", "data: has no labelled recordings; set data.dataset={source: "),
        (
            "data.dataset={kind: clips, clips: a.csv, sampling: {kind: sparse, stride: 2}}",
            "kind sparse has no frame_rate, stride or segments; set data.dataset.sampling.stride="
            "null, or data.dataset.sampling.kind=dense",
        ),
    ],
)
def test_an_invalid_recipe_is_refused(override: str, message: str, tmp_path: Path) -> None:
    given = ["demo", "backbone={variant: unified_small}", override]
    with pytest.raises(ConfigError) as caught:
        load_recipe(FinetuneConfig, given[0], given[1:], Path("finetune/recipes"), run="x")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_mixup_requires_pairs() -> None:
    overrides = ["mixup.prob=1", "batch={global_batch_size: 15, micro_batch_size: 15}"]
    with pytest.raises(ConfigError, match="mixup: mixes pairs of samples"):
        load_recipe(FinetuneConfig, "demo", overrides, Path("finetune/recipes"), run="x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: [operation01]\ntest: [operation01]\n", "other.yaml:2: operation01 is in test"),
        ("train: []\n", "other.yaml:1: train has no recordings"),
        ("train: [operation09]\n", "other.yaml:1: the source has no recording operation09"),
        ("test: [operation01]\n", "data: the split has no train part"),
    ],
)
@pytest.mark.usefixtures("single_process")
def test_an_invalid_split_is_refused(
    labelled: Path, tmp_path: Path, text: str, message: str
) -> None:
    error = refused(tmp_path / "run", *words(labelled, tmp_path / "run", split_of(tmp_path, text)))
    assert message in error


@pytest.mark.usefixtures("single_process")
def test_labels_that_do_not_fit_are_refused(labelled: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    late = "recording,start,end,label\n" + "".join(
        f"operation0{i},0,5,a\noperation0{i},900,905,b\n" for i in range(1, 5)
    )
    table.write_text(late)
    labels = f"data.dataset.labels={table}"
    error = refused(tmp_path / "run", *words(labelled, tmp_path / "run", labels))
    assert "labels.csv:3: a label at 900 s" in error and "ends at 12 s" in error
    error = refused(
        tmp_path / "run",
        *words(labelled, tmp_path / "run", "data.dataset.classes=[Preparation, Other]"),
    )
    assert "operation01-phase.txt:" in error and "is none of the 2 classes" in error
    rows = [f"operation0{i},0,12,{'a' if i == 3 else 'b'}" for i in range(1, 5)]
    table.write_text("recording,start,end,label\n" + "\n".join([*rows, "operation01,0,1,a"]))
    error = refused(tmp_path / "run", *words(labelled, tmp_path / "run", labels))
    assert error.startswith("data: all labels of train are 'b'; a classifier needs")


@pytest.mark.usefixtures("single_process")
def test_recordings_of_pretraining_are_refused_in_test(
    labelled: Path, finished: Path, tmp_path: Path
) -> None:
    """The classifier of a run lists the recordings that it was trained on."""
    backbone = f"backbone={{variant: native, weights: {finished}}}"
    split = split_of(tmp_path, "train: [operation03]\ntest: [operation02]\n")
    error = refused(tmp_path / "run", *words(labelled, tmp_path / "run", backbone, split))
    assert "operation02.mp4 is in test, and the encoder was pretrained on it" in error


@pytest.mark.usefixtures("single_process")
def test_a_set_outside_the_label_space_is_refused_before_recordings_are_opened(
    tmp_path: Path,
) -> None:
    (tmp_path / "one.txt").write_text("cut\nsew\n")
    space = tmp_path / "space.yaml"
    main(["merge", str(space), f"cholec80={tmp_path / 'one.txt'}"])
    nowhere = "{kind: timestamps, source: nowhere, labels: nowhere, split: nowhere}"
    data = f"data={{label_space: {space}, datasets: {{cholec8: {nowhere}}}}}"
    message = refused(tmp_path / "run", "demo", data)
    assert message == "the label space has no set 'cholec8', only cholec80; nearest: 'cholec80'"


@pytest.mark.usefixtures("single_process")
def test_head_rows_that_do_not_fit_are_refused(
    labelled: Path, finished: Path, tmp_path: Path
) -> None:
    backbone = f"backbone={{variant: native, weights: {finished}}}"
    split = split_of(tmp_path, "train: [operation01]\n")
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([0, 1, 2]))
    command = words(labelled, tmp_path / "run", backbone, split, f"head_init.rows={rows}")
    assert "rows.json: has 3 rows, the target has 6 classes" in refused(tmp_path / "run", *command)
    rows.write_text(json.dumps([0, 1, 2, 3, 4, 6]))
    assert "class 5 has row 6, the trained head has 0 to 5" in refused(tmp_path / "run", *command)


def test_a_resumed_run_has_the_same_configuration_and_labels(
    labelled: Path, finished: Path
) -> None:
    """Each change is refused by the program in one line."""
    done = finetune(*words(labelled, finished, "tuning.layer_decay=0.5"))
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2 and len(lines) == 1, done.stderr
    assert "holds a run of another configuration (tuning.layer_decay was 0.75" in lines[0]
    table = "".join(
        f"operation0{i},{second},{second + 6},{'ab'[second > 0]}\n"
        for i in range(1, 5)
        for second in (0, 6)
    )
    labels = finished.parent / "labels.csv"
    labels.write_text("recording,start,end,label\n" + table)
    done = finetune(*words(labelled, finished, f"data.dataset.labels={labels}"))
    assert done.returncode == 2
    assert "the run started with the classes Preparation, " in done.stderr.splitlines()[-1]
    relabelled = shutil.copytree(labelled, finished.parent / "relabelled")
    file = relabelled / "operation03-phase.txt"
    file.write_text(file.read_text().replace("Preparation", "CleaningCoagulation"))
    done = finetune(*words(labelled, finished, f"data.dataset.labels={relabelled}"))
    assert done.returncode == 2
    assert "began with other samples: 1 with other labels (" in done.stderr.splitlines()[-1]
    assert "operation03.mp4); restore them" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b'"text"',
        b"1",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"encoder": {}, "classes": 3}',
    ],
)
def test_a_damaged_model_spec_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "network.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"network.json: cannot be read .*; restore it") as caught:
        read_spec(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_model_spec_with_wrong_values_is_refused(finished: Path, tmp_path: Path) -> None:
    values = json.loads((finished / "network.json").read_text())
    for key in values:
        (tmp_path / "network.json").write_text(json.dumps({**values, key: 7}))
        with pytest.raises(ConfigError, match=r"network.json: cannot be read"):
            read_spec(tmp_path)
    (tmp_path / "network.json").write_text(json.dumps(values))
    assert read_spec(tmp_path) == read_spec(finished)


def predictions(classes: tuple[str, ...], recording: str) -> Predictions:
    scores = np.eye(len(classes), dtype=np.float32)
    count = len(classes)
    return Predictions(
        np.full(count, recording),
        np.arange(count, dtype=float),
        scores,
        np.arange(count),
        classes,
        {"samples": "moments"},
    )


def test_predictions_of_several_files(tmp_path: Path, capsys) -> None:
    for name, classes, recording in (
        ("a", ("x", "y"), "one"),
        ("b", ("x", "y"), "two"),
        ("c", ("x", "z"), "three"),
        ("d", ("x", "y"), "one"),
    ):
        save_predictions(tmp_path / f"{name}.npz", predictions(classes, recording))
    files = {name: str(tmp_path / f"{name}.npz") for name in "abcd"}
    main(["evaluate", files["a"], files["b"]])
    assert "2 files: 4 samples of 2 recordings, 2 classes" in capsys.readouterr().out
    with pytest.raises(PredictionsError, match=r"c\.npz: has the classes x, z .*a\.npz has x, y"):
        main(["evaluate", files["a"], files["c"]])
    with pytest.raises(PredictionsError, match=r"d\.npz: one is in .*a\.npz too"):
        main(["evaluate", files["a"], files["d"]])


def test_scores_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    invalid = predictions(("x", "y"), "one")
    invalid.scores[1, 0] = np.nan
    with pytest.raises(PredictionsError, match=r"scores of row 1 is not finite"):
        save_predictions(tmp_path / "p.npz", invalid)
    assert not list(tmp_path.iterdir())
    with pytest.raises(PredictionsError, match="cannot be read"):
        load_predictions(tmp_path / "p.npz")


def test_shipped_splits_are_complete_and_found_by_name(tmp_path: Path) -> None:
    sizes = {
        "cholec80_32_8_40": (32, 8, 40),
        "cholec80_40_35": (40, 0, 35),
        "autolaparo_10_4_7": (10, 4, 7),
        "cholect50_challenge": (40, 5, 5),
        "cholect50_val_without_70": (4, 0, 1),
    }
    for name, expected in sizes.items():
        split = read_split(find_split(Path(name)))
        assert tuple(len(split.get(part, ())) for part in ("train", "val", "test")) == expected
    with pytest.raises(SplitError, match=r"and none of the shipped splits autolaparo"):
        find_split(tmp_path / "none")


def test_classes_of_several_files_may_be_in_another_order(tmp_path: Path) -> None:
    one, two = predictions(("x", "y", "z"), "one"), predictions(("z", "x", "y"), "two")
    two = two._replace(label=np.array([0, -1, 1]))
    both = join_predictions([(tmp_path / "a", one), (tmp_path / "b", two)])
    assert both.classes == ("x", "y", "z") and both.label[3:].tolist() == [2, -1, 0]
    assert both.scores[3:].argmax(1).tolist() == [2, 0, 1]
    many = [
        each._replace(label=np.eye(3, dtype=np.int64)) for each in (one, two)
    ]  # each row has its own class
    both = join_predictions([(tmp_path / "a", many[0]), (tmp_path / "b", many[1])])
    assert both.label[3:].argmax(1).tolist() == [2, 0, 1]
