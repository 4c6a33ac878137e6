import json
from pathlib import Path

import numpy as np
import pytest

from launch.report.curves import Curve, downsample, ratio, read_curves


def read(tmp_path: Path, text: str) -> tuple[dict[str, Curve], list[str]]:
    (tmp_path / "log.jsonl").write_text(text)
    warnings: list[str] = []
    return read_curves(tmp_path / "log.jsonl", warnings.append), warnings


def test_lines_become_curves(tmp_path: Path) -> None:
    lines = '{"step": 1, "loss/train": 1}\n{"step": 2, "loss/train": 0.5, "val/top-1": 0.25}\n'
    curves, warnings = read(tmp_path, lines)
    assert curves["loss/train"].steps.tolist() == [1, 2]
    assert curves["loss/train"].values.tolist() == [1, 0.5]
    assert curves["val/top-1"].steps.tolist() == [2]
    assert warnings == []


def test_of_a_repeated_step_the_later_value_counts(tmp_path: Path) -> None:
    lines = [(1, 1.0), (2, 2.0), (3, 3.0), (2, 2.5)]
    text = "".join(json.dumps({"step": s, "x": v}) + "\n" for s, v in lines)
    curve = read(tmp_path, text)[0]["x"]
    assert curve.steps.tolist() == [1, 2, 3]
    assert curve.values.tolist() == [1, 2.5, 3]


def test_an_incomplete_last_line_is_omitted(tmp_path: Path) -> None:
    curves, warnings = read(tmp_path, '{"step": 1, "x": 1}\n{"step": 2, "x"')
    assert curves["x"].steps.tolist() == [1]
    assert warnings == ["log.jsonl: the last line is incomplete and is omitted"]


@pytest.mark.parametrize(
    "line",
    ["nonsense", "[1, 2]", "\x00\x00\x00", "[" * 100_000, "9" * 5000, '{"step": 2, "x": 2'],
)
def test_a_line_that_is_not_an_object_is_omitted(tmp_path: Path, line: str) -> None:
    curves, warnings = read(tmp_path, f'{{"step": 1, "x": 1}}\n{line}\n{{"step": 3, "x": 3}}\n')
    assert curves["x"].steps.tolist() == [1, 3]
    assert warnings == ["log.jsonl: 1 line omitted because they are not JSON objects; first: 2"]


def test_values_that_are_not_finite_numbers_are_omitted_and_counted(tmp_path: Path) -> None:
    values = ["NaN", "Infinity", "-Infinity", "true", '"0.5"', "null", "[1]", "1" + "0" * 400]
    text = "".join(f'{{"step": {i}, "x": {value}}}\n' for i, value in enumerate(values))
    curves, warnings = read(tmp_path, text + '{"step": 99, "x": 0.5}\n')
    assert curves["x"].steps.tolist() == [99]
    assert warnings == ["log.jsonl: 8 values are not finite numbers and are omitted"]


@pytest.mark.parametrize("step", ["-1", "1.5", '"1"', "null", "true", "9" * 30])
def test_a_line_without_a_step_is_omitted(tmp_path: Path, step: str) -> None:
    curves, warnings = read(tmp_path, f'{{"step": {step}, "x": 1}}\n')
    assert curves == {}
    assert warnings == ["log.jsonl: 1 lines without a step are omitted"]


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_log_has_no_curves(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == ({}, [])


def test_more_curves_than_a_page_shows_are_counted(tmp_path: Path) -> None:
    line = {"step": 1} | {f"loss/source/{i}": 1.0 for i in range(250)}
    curves, warnings = read(tmp_path, json.dumps(line) + "\n")
    assert len(curves) == 200
    assert warnings == ["log.jsonl: 200 of 250 curves are shown"]


@pytest.mark.parametrize("count", [999, 1001, 1500, 100_000])
def test_downsampling_keeps_every_spike(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    values[[count // 3, count // 2]] = 100, -100
    whole = Curve(np.arange(count) * 10, values)
    thin = downsample(whole)
    assert len(thin.steps) <= 1000
    assert {100.0, -100.0} <= set(thin.values.tolist())
    assert (thin.steps[0], thin.steps[-1]) == (0, (count - 1) * 10)
    assert (np.diff(thin.steps) > 0).all()
    assert (whole.values[thin.steps // 10] == thin.values).all()


def test_a_ratio_is_of_the_steps_of_both() -> None:
    above = Curve(np.array([1, 2, 3, 4]), np.array([1.0, 2.0, 3.0, 4.0]))
    below = Curve(np.array([2, 3, 4, 5]), np.array([4.0, 0.0, 8.0, 1.0]))
    quotient = ratio(above, below)
    assert quotient.steps.tolist() == [2, 4]
    assert quotient.values.tolist() == [0.5, 0.5]
