"""A check that crashes, hangs or misses a limit is a line, and what it measured is kept."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import benchmarks.gpu.checks
from benchmarks.gpu.check import Check
from benchmarks.gpu.figure import Figure, Setting, at_least, at_most, holds
from benchmarks.gpu.table import format_outcome, format_sum
from benchmarks.gpu.worker import Outcome, run_check

ONE = Figure("one", 1.0, at_most(2))


def crash(setting: Setting) -> Iterator[Figure]:
    yield ONE
    print("the last words", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def fail(setting: Setting) -> Iterator[Figure]:
    yield ONE
    raise ArithmeticError("the sum is\nnot the whole")


def hang(setting: Setting) -> Iterator[Figure]:
    yield ONE
    if os.fork() == 0:  # what it has started ends with it
        (setting.shared / "child").write_text(str(os.getpid()))
    time.sleep(3600)


def miss(setting: Setting) -> Iterator[Figure]:
    yield ONE
    yield Figure("two", float("nan"), at_most(3))


def judged_on_gpus(setting: Setting) -> Iterator[Figure]:
    yield Figure("share", 0.1, at_least(0.5), "%", means_nothing_on_cpu=True)
    yield holds("it holds", False, means_nothing_on_cpu=True)


def run(check, folder: Path, monkeypatch: pytest.MonkeyPatch, seconds: float = 60) -> Outcome:
    row = Check("row", "what is asked", 5, check)
    monkeypatch.setattr(benchmarks.gpu.checks, "CHECKS", {"row": row})
    return run_check("row", Setting(torch.device("cpu"), 0, folder / "row", folder), seconds)


@pytest.mark.parametrize(
    ("check", "reason", "output"),
    [
        (crash, "SIGKILL", "the last words"),
        (fail, "ArithmeticError: the sum is not the whole", "Traceback"),
        (miss, "", ""),
    ],
)
def test_a_check_that_fails_keeps_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check, reason: str, output: str
) -> None:
    outcome = run(check, tmp_path, monkeypatch)
    assert outcome.verdict == "FAILED" and outcome.reason == reason
    assert outcome.figures[0] == ONE and output in outcome.output
    lines = format_outcome(outcome, False, 100)
    assert lines[0].startswith("FAILED   row           what is asked")
    assert any("  ok     one" in line and line.endswith("1  <= 2") for line in lines)
    if check is miss:
        assert lines[-1].startswith("  FAILED two") and "nan  <= 3" in lines[-1]


def test_a_check_that_hangs_is_cut_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = run(hang, tmp_path, monkeypatch, seconds=1)
    assert outcome.verdict == "FAILED" and outcome.figures == (ONE,)
    assert outcome.reason == "cut after 1 s, before it was complete"
    child = int((tmp_path / "child").read_text())
    stat = Path(f"/proc/{child}/stat")
    ends = time.monotonic() + 60
    while stat.exists() and ") Z " not in stat.read_text() and time.monotonic() < ends:
        time.sleep(0.01)
    assert time.monotonic() < ends


def test_limits_of_gpus_are_not_judged_on_a_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = run(judged_on_gpus, tmp_path, monkeypatch)
    assert outcome.verdict == "ok"
    assert [figure.verdict(False) for figure in outcome.figures] == ["told"] * 2
    assert [figure.verdict(True) for figure in outcome.figures] == ["FAILED"] * 2
    share, is_so = format_outcome(outcome, False, 100)[1:]
    assert share.endswith("10%  >= 50%") and is_so.split()[-1] == "no"
    assert format_sum([outcome], 3.2) == "1 ok, 0 FAILED, 0 skipped in 3 s"
