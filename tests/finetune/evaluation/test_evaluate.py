"""`python -m finetune evaluate`: from the file alone to every metric."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.cli import main
from finetune.evaluation.evaluate import evaluate
from finetune.evaluation.metrics import METRICS, Metric
from finetune.evaluation.plots import _cells, draw_timeline, phase_colours
from finetune.evaluation.predictions import (
    FIELDS,
    Predictions,
    PredictionsError,
    load_predictions,
    save_predictions,
)
from finetune.evaluation.sample_metrics import LabelledScores
from finetune.inference.write_results import summary_line
from launch.errors import ConfigError
from tests.finetune.evaluation.test_video_averages import RECORDED, recorded


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_predictions(tmp_path / "predictions.npz", recorded())
    return tmp_path / "predictions.npz"


def test_predictions_survive_a_file(saved: Path) -> None:
    given, read = recorded(), load_predictions(saved)
    for one, other in zip(given, read, strict=True):
        assert np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_numbers_that_json_has_not_are_null_in_metrics(tmp_path: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    given, file = recorded(), tmp_path / "predictions.npz"
    odd = {"seconds": float("nan"), "views": [float("inf"), {"rate": -float("inf")}]}
    save_predictions(file, given)
    arrays = dict(np.load(file))
    np.savez(file, **{**arrays, "about": np.asarray(json.dumps(odd))})  # of another program
    main(["evaluate", str(file), "--out", str(tmp_path / "out")])
    text = (tmp_path / "out/metrics.json").read_text()
    about = json.loads(text, parse_constant=refuse)["about"]
    assert about == {"seconds": None, "views": [None, {"rate": None}]}
    save_predictions(file, given._replace(metadata=odd))
    json.loads(str(np.load(file)["about"]), parse_constant=refuse)


def test_metrics_are_printed_and_written(saved: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    words = ["evaluate", str(saved), "--out", str(out), "--tolerances", "cholec80"]
    main(words)
    printed = capsys.readouterr().out
    assert "410 samples of 3 recordings, 7 classes" in printed
    metrics = json.loads((out / "metrics.json").read_text())
    expected = RECORDED["expected"]["relaxed_fixed"]
    relaxed = metrics["phases"]["relaxed"]
    assert 100 * relaxed["accuracy"]["value"] == pytest.approx(expected["accuracy_mean"])
    assert f"{relaxed['accuracy']['value']:.4f} +- " in printed
    assert f"{metrics['samples']['top-1']:.4f}" in printed
    balanced = metrics["recordings"]["balanced accuracy"]
    assert balanced == metrics["phases"]["strict"]["recordings_first"]["recall"]
    assert f"  balanced accuracy             {balanced['value']:.4f} +- " in printed
    assert "phase jaccard" not in metrics["recordings"]  # the table of phases has it
    pictures = sorted(path.name for path in out.glob("*.png"))
    assert pictures == ["confusion.png", *(f"timeline_v{i}.png" for i in range(3))]
    for name in pictures:
        assert len(np.unique(np.asarray(Image.open(out / name)))) > 20


def test_the_classes_of_means_are_named(tmp_path: Path, capsys) -> None:
    given = recorded()
    label = np.where(given.label >= 5, 4, given.label)
    save_predictions(tmp_path / "p.npz", given._replace(label=label))
    main(["evaluate", str(tmp_path / "p.npz"), "--out", str(tmp_path)])
    printed, metrics = capsys.readouterr().out, json.loads((tmp_path / "metrics.json").read_text())
    assert "means over classes are of the 5 that the truth has, without f, g\n" in printed
    assert metrics["classes_in_truth"] == ["a", "b", "c", "d", "e"]
    assert metrics["means_over_classes"].startswith("over the classes that the truth has")


def test_one_recording_has_no_interval(tmp_path: Path, capsys) -> None:
    save_predictions(tmp_path / "p.npz", recorded().of_recording("v0"))
    main(["evaluate", str(tmp_path / "p.npz"), "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "samples of 1 recording, " in printed
    assert "recordings: one, so without a deviation or an interval" in printed
    assert "[" not in printed and "nan" not in printed
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["recordings"]["balanced accuracy"]["low"] is None


@pytest.mark.parametrize("shift", range(3))
def test_a_timeline_shows_single_seconds_of_a_long_operation(tmp_path: Path, shift: int) -> None:
    seconds = 3 * 3600
    label = np.repeat([0, 1, 2], seconds // 3)
    label[1000 + shift] = 3
    scores = np.full((seconds, 4), 0.1, dtype=np.float32)
    scores[np.arange(seconds), label] = 0.7
    names, times = np.array(["operation"] * seconds), np.arange(float(seconds))
    given = Predictions(names, times, scores, label, ("a", "b", "c", "d"), {})
    draw_timeline(tmp_path / "timeline.png", given)
    pixels = np.asarray(Image.open(tmp_path / "timeline.png").convert("RGB")).astype(int)
    colour = np.array([round(255 * each) for each in phase_colours(4)(3)[:3]])
    is_colour = (abs(pixels - colour) < 60).all(axis=2)[:, : pixels.shape[1] * 9 // 10]
    assert is_colour.any(axis=1).sum() > 100, "both strips show the second"


def test_a_metric_of_a_user_is_printed_and_written(
    saved: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def error(samples: LabelledScores) -> float:
        return float((samples.scores.argmax(1) != samples.label).mean())

    row = Metric(error, over="recordings", higher_is_better=False, in_summary=True)
    monkeypatch.setitem(METRICS, "error rate", row)
    main(["evaluate", str(saved), "--out", str(tmp_path)])
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    found, accuracy = metrics["recordings"]["error rate"], metrics["phases"]["strict"]["accuracy"]
    assert found["value"] == pytest.approx(1 - accuracy["value"])
    assert found["deviation"] == pytest.approx(accuracy["deviation"])
    assert f"  error rate                    {found['value']:.4f} +- " in capsys.readouterr().out
    line = summary_line(evaluate(recorded(), "p").metrics.all)
    assert f"error rate {found['value']:.3f} (baselines: majority class 0." in line
    assert "F1 micro" not in line and "balanced accuracy" not in line


def test_recordings_of_one_name_have_a_timeline_each(tmp_path: Path, capsys) -> None:
    given = recorded()
    folders = np.array([f"{name}/operation.mp4" for name in given.recording])
    save_predictions(tmp_path / "p.npz", given._replace(recording=folders))
    main(["evaluate", str(tmp_path / "p.npz"), "--out", str(tmp_path / "out")])
    found = sorted(path.name for path in (tmp_path / "out").glob("timeline_*"))
    assert found == [f"timeline_operation{end}.png" for end in ("", "_2", "_3")]


def test_published_predictions_without_our_program_can_be_scored(tmp_path: Path, capsys) -> None:
    """Any program can write the six arrays."""
    given = recorded()
    arrays = {field: getattr(given, field) for field in ("recording", "time", "scores", "label")}
    classes = np.array(given.classes)
    np.savez(tmp_path / "theirs.npz", **arrays, classes=classes, about=np.array("{}"))
    main(["evaluate", str(tmp_path / "theirs.npz")])
    assert "strict boundaries" in capsys.readouterr().out


def broken(**changes) -> Predictions:
    given = recorded()
    return given._replace(**{name: change(given) for name, change in changes.items()})


def spoilt(array: np.ndarray, row: int, value: float) -> np.ndarray:
    copy = array.copy()
    copy[row] = value
    return copy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": lambda p: spoilt(p.scores, 7, np.nan)}, "scores of row 7 is not finite"),
        ({"label": lambda p: spoilt(p.label, 5, 7)}, "label of row 5 is not within -1 to 6"),
        ({"scores": lambda p: p.scores[:, :6]}, r"scores has shape \(410, 6\)"),
        ({"classes": lambda p: ("a", *p.classes[1:-1], "a")}, "a name occurs twice"),
        ({"time": lambda p: p.time[1:]}, "time has shape"),
        ({"label": lambda p: p.label[:9]}, "label has shape"),
    ],
)
def test_invalid_rows_are_named(tmp_path: Path, change, message: str) -> None:
    with pytest.raises(PredictionsError, match=message) as caught:
        save_predictions(tmp_path / "p.npz", broken(**change))
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (lambda p: np.full_like(p.label, -1), "no row has a label"),
        (lambda p: np.full_like(p.label, 3), "all labels are 'd'"),
    ],
)
def test_labels_that_allow_no_metric_are_refused(tmp_path: Path, label, message: str) -> None:
    save_predictions(tmp_path / "p.npz", broken(label=label))
    with pytest.raises(PredictionsError, match=message):
        main(["evaluate", str(tmp_path / "p.npz")])


def test_damaged_and_hostile_files_are_one_line(saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    for size in (0, 20, len(whole) // 2, len(whole) - 5):
        saved.write_bytes(whole[:size])
        with pytest.raises(PredictionsError, match=r"cannot be read|is damaged"):
            load_predictions(saved)
    objects = tmp_path / "objects.npz"
    np.savez(objects, **{f: np.array([print]) for f in FIELDS})
    with pytest.raises(PredictionsError, match="cannot be read"):
        load_predictions(objects)
    np.savez(objects, scores=np.ones(3))
    with pytest.raises(PredictionsError, match="has no recording, time, label, classes, about"):
        load_predictions(objects)
    with pytest.raises(PredictionsError, match="cannot be read"):
        load_predictions(tmp_path / "nowhere.npz")


@pytest.mark.parametrize("over", ["samples", "recordings"])
def test_a_metric_of_a_plugin_that_fails_is_one_line(
    saved: Path, monkeypatch: pytest.MonkeyPatch, over: str
) -> None:
    def fails(samples: LabelledScores) -> float:
        raise KeyError("no\nsuch key")

    for function, reason in ((fails, "KeyError: 'no.nsuch key'"), (lambda _: "a", "ValueError: ")):
        monkeypatch.setitem(METRICS, "mine", Metric(function, over=over))
        message = rf"plugins: the metric 'mine' of {__name__} fails \({reason}.*; correct it there"
        with pytest.raises(ConfigError, match=message.replace("'no.nsuch", r"'no\\nsuch")):
            evaluate(load_predictions(saved), "saved")


def test_a_timeline_is_blank_where_there_is_no_timestamp() -> None:
    edges, cells = _cells(np.array([0.0, 1, 2, 6, 7]), np.arange(5.0))
    assert edges.tolist() == [-0.5, 0.5, 1.5, 2.5, 5.5, 6.5, 7.5]
    np.testing.assert_equal(cells, [0, 1, 2, np.nan, 3, 4])
    edges, cells = _cells(np.array([3.0]), np.array([1.0]))
    assert edges.tolist() == [2.5, 3.5] and cells.tolist() == [1.0]


def test_rows_are_grouped_by_recording_and_sorted_by_time() -> None:
    given = recorded()
    groups = given.by_recording()
    assert list(groups) == given.recording_names
    for name, rows in groups.items():
        expected = given.of_recording(name)
        assert (np.diff(rows.time) > 0).all() and set(rows.recording) == {name}
        assert np.array_equal(rows.label, expected.label)
        assert np.array_equal(rows.scores, expected.scores)
    assert sum(len(rows.label) for rows in groups.values()) == len(given.label)
