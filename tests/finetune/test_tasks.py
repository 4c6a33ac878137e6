"""Complete runs of the other tasks: clips, multi-label, merged data sets, few samples."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from finetune.cli import main
from finetune.evaluation.predictions import load_predictions
from finetune.model.classifier_file import load_classifier
from tests.finetune.runs import SMALL, finetune, words

SHORT = ("schedule={steps: 2, warmup: 0}", "validation.every_epochs=100")


@pytest.mark.soak
def test_clips_by_segments_and_crops(labelled: Path, tmp_path: Path) -> None:
    """Parts of recordings in lists, the TSN head, three crops of four clips in time."""
    lists = tmp_path / "lists"
    lists.mkdir()
    for part, name in (("train", "operation01"), ("val", "operation02"), ("test", "operation03")):
        rows = [(f"{labelled / name}.mp4", "ab"[i % 2], 3 * i, 3 * i + 3) for i in range(4)]
        with (lists / f"{part}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("path", "label", "start", "end"), *rows])
    data = (
        f"data={{workers: 0, dataset: {{kind: clips, clips: '{lists}/{{part}}.csv', "
        "sampling: {kind: dense, frame_rate: 6.25, segments: 2}}}"
    )
    run = tmp_path / "run"
    views = "test_views={clips: 4, crops: 3, average: logits}"
    command = ["demo", *SMALL, f"run={run}", data, "head={kind: tsn}", views, *SHORT]
    done = finetune(*command)
    assert done.returncode == 0, done.stderr
    predictions = load_predictions(run / "predictions_test.npz")
    assert (
        predictions.metadata["samples"] == "clips"
        and "4 clips x 3 crops, logits averaged" in predictions.metadata["views"]
    )
    assert predictions.time.tolist() == [0, 3, 6, 9] and predictions.label.tolist() == [0, 1, 0, 1]
    metrics = json.loads((run / "evaluation_test/metrics.json").read_text())
    assert metrics["phases"] == {} and metrics["samples"]["chance"] == 0.5
    main(
        [
            "predict",
            str(labelled / "operation04.mp4"),
            "--run",
            str(run),
            "--workers",
            "0",
            "--out",
            str(tmp_path / "out"),
        ]
    )
    assert len(json.loads((tmp_path / "out/operation04.json").read_text())["probabilities"]) == 1


def test_multi_label_with_missing_labels(labelled: Path, tmp_path: Path) -> None:
    table = tmp_path / "tools.csv"
    rows = [
        (f"operation0{i}", second, second % 2, "" if second < 4 else int(second > 7))
        for i in range(1, 5)
        for second in range(12)
    ]
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("recording", "second", "grasper", "hook"), *rows])
    many = (
        f"data.dataset.labels={table}",
        "data.dataset.multi_label=true",
        "loss={kind: bce}",
        "validation.metric=mAP",
        "data.dataset.rate=1",
    )
    run = tmp_path / "run"
    done = finetune(*words(labelled, run, *many, "schedule={steps: 2, warmup: 0}"))
    assert done.returncode == 0, done.stderr
    predictions = load_predictions(run / "predictions_test.npz")
    assert predictions.is_multi_label and predictions.classes == ("grasper", "hook")
    assert predictions.label[:4, 1].tolist() == [-1] * 4 and predictions.label[8:, 1].all()
    assert load_classifier(run)[1].multi_label and "mAP" in done.stdout


@pytest.mark.soak
def test_two_merged_data_sets_and_one_of_them_again(labelled: Path, tmp_path: Path) -> None:
    """Post-pretraining on the merged classes, then one data set with the trained rows."""
    for name, halves in (("one", ("First half", "second")), ("two", ("first_half", "Third"))):
        rows = [
            (f"operation0{i}", 6 * h, 6 * h + 6, halves[h]) for i in range(1, 5) for h in (0, 1)
        ]
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("recording", "start", "end", "label"), *rows])
        (tmp_path / f"{name}.txt").write_text("\n".join(halves))
        recordings = {"one": ("operation01", "operation02"), "two": ("operation03", "operation04")}
        first, second = recordings[name]
        (tmp_path / f"{name}.yaml").write_text(f"train: [{first}]\nval: [{second}]\n")
    space = tmp_path / "space.yaml"
    main(["merge", str(space), *(f"{n}={tmp_path / n}.txt" for n in ("one", "two"))])

    def of(name: str) -> str:
        where = f"source: {labelled}, labels: {tmp_path / name}.csv, split: {tmp_path / name}.yaml"
        return f"{{kind: timestamps, {where}, sampling: {{step_seconds: 0.5}}}}"

    datasets = f"{{one: {of('one')}, two: {of('two')}}}"
    data = f"data={{workers: 0, label_space: {space}, datasets: {datasets}}}"
    hybrid = tmp_path / "hybrid"
    done = finetune("demo", *SMALL, f"run={hybrid}", data, *SHORT)
    assert done.returncode == 0, done.stderr
    predictions = load_predictions(hybrid / "predictions_val.npz")
    assert predictions.classes == ("First half", "second", "Third")
    by_name = {
        name: set(predictions.of_recording(name).label.tolist())
        for name in set(predictions.recording)
    }
    assert by_name == {"operation02": {0, 1}, "operation04": {0, 2}}
    split = tmp_path / "last.yaml"
    split.write_text("train: [operation03]\n")
    dataset = of("two").replace("two.yaml", "last.yaml")
    data = f"data={{workers: 0, dataset: {dataset}, shots_per_class: 2}}"
    target = finetune(
        "demo",
        *SMALL,
        f"run={tmp_path / 'target'}",
        data,
        *SHORT,
        "tuning={kind: partial, blocks: 1}",
        f"backbone={{variant: native, weights: {hybrid}}}",
        f"head_init.label_space={space}",
        "head_init.dataset=two",
        "optimizer.base_lr=1.0e-9",
    )
    assert target.returncode == 0, target.stderr
    assert "head: 2 of 2 classes from the 3 trained" in target.stdout
    assert "of 4 labelled samples" in target.stdout
    merged, own = (load_classifier(run)[0] for run in (hybrid, tmp_path / "target"))
    rows = merged.head.classifier.weight[[0, 2]].detach().numpy()
    np.testing.assert_allclose(own.head.classifier.weight.detach().numpy(), rows, atol=1e-6)
