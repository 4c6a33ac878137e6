import json
from pathlib import Path

import numpy as np
import pytest

from launch.report.curves import Curve, ratio, read_curves, thin_out


def read(tmp_path: Path, text: str) -> tuple[dict[str, Curve], list[str]]:
    (tmp_path / "log.jsonl").write_text(text)
    told: list[str] = []
    return read_curves(tmp_path / "log.jsonl", told.append), told


def test_lines_become_curves(tmp_path: Path) -> None:
    lines = '{"step": 1, "loss/train": 1}\n{"step": 2, "loss/train": 0.5, "val/top-1": 0.25}\n'
    curves, told = read(tmp_path, lines)
    assert curves["loss/train"].steps.tolist() == [1, 2]
    assert curves["loss/train"].values.tolist() == [1, 0.5]
    assert curves["val/top-1"].steps.tolist() == [2]
    assert told == []


def test_of_a_step_that_stands_twice_the_later_value_counts(tmp_path: Path) -> None:
    lines = [(1, 1.0), (2, 2.0), (3, 3.0), (2, 2.5)]
    text = "".join(json.dumps({"step": s, "x": v}) + "\n" for s, v in lines)
    curve = read(tmp_path, text)[0]["x"]
    assert curve.steps.tolist() == [1, 2, 3]
    assert curve.values.tolist() == [1, 2.5, 3]


def test_a_half_written_line_is_told_as_that(tmp_path: Path) -> None:
    curves, told = read(tmp_path, '{"step": 1, "x": 1}\n{"step": 2, "x"')
    assert curves["x"].steps.tolist() == [1]
    assert told == ["log.jsonl: the last line is half written and is left out"]


@pytest.mark.parametrize(
    "line",
    ["nonsense", "[1, 2]", "\x00\x00\x00", "[" * 100_000, "9" * 5000, '{"step": 2, "x": 2'],
)
def test_a_line_that_is_no_object_costs_only_itself(tmp_path: Path, line: str) -> None:
    curves, told = read(tmp_path, f'{{"step": 1, "x": 1}}\n{line}\n{{"step": 3, "x": 3}}\n')
    assert curves["x"].steps.tolist() == [1, 3]
    assert told == ["log.jsonl: 1 line left out, no JSON objects; first: 2"]


def test_what_is_not_finite_or_no_number_is_left_out_and_counted(tmp_path: Path) -> None:
    values = ["NaN", "Infinity", "-Infinity", "true", '"0.5"', "null", "[1]", "1" + "0" * 400]
    text = "".join(f'{{"step": {i}, "x": {value}}}\n' for i, value in enumerate(values))
    curves, told = read(tmp_path, text + '{"step": 99, "x": 0.5}\n')
    assert curves["x"].steps.tolist() == [99]
    assert told == ["log.jsonl: 8 values are no finite numbers and are left out"]


@pytest.mark.parametrize("step", ["-1", "1.5", '"1"', "null", "true", "9" * 30])
def test_a_line_without_a_step_is_told(tmp_path: Path, step: str) -> None:
    curves, told = read(tmp_path, f'{{"step": {step}, "x": 1}}\n')
    assert curves == {}
    assert told == ["log.jsonl: 1 lines without a step are left out"]


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_log_has_no_curves(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == ({}, [])


def test_more_figures_than_a_page_holds_are_counted(tmp_path: Path) -> None:
    line = {"step": 1} | {f"loss/source/{i}": 1.0 for i in range(250)}
    curves, told = read(tmp_path, json.dumps(line) + "\n")
    assert len(curves) == 200
    assert told == ["log.jsonl: of 250 figures 200 are shown"]


@pytest.mark.parametrize("count", [999, 1001, 1500, 100_000])
def test_thinning_keeps_few_points_and_every_spike(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    values[[count // 3, count // 2]] = 100, -100
    whole = Curve(np.arange(count) * 10, values)
    thin = thin_out(whole)
    assert len(thin.steps) <= 1000
    assert {100.0, -100.0} <= set(thin.values.tolist())
    assert (thin.steps[0], thin.steps[-1]) == (0, (count - 1) * 10)
    assert (np.diff(thin.steps) > 0).all()
    assert (whole.values[thin.steps // 10] == thin.values).all()


def test_a_ratio_is_of_the_steps_of_both() -> None:
    above = Curve(np.array([1, 2, 3, 4]), np.array([1.0, 2.0, 3.0, 4.0]))
    below = Curve(np.array([2, 3, 4, 5]), np.array([4.0, 0.0, 8.0, 1.0]))
    held = ratio(above, below)
    assert held.steps.tolist() == [2, 4]
    assert held.values.tolist() == [0.5, 0.5]
