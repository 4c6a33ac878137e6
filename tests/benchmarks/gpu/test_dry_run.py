"""The proof of a GPU machine goes through all of its checks on a CPU."""

import json
from pathlib import Path

import pytest

from benchmarks.gpu.checks import CHECKS
from benchmarks.gpu.cli import TOTAL_SECONDS
from tests.conftest import Outcome, outcome_of, start_python

NAMES = list(CHECKS)
HALVES = [NAMES[: NAMES.index("loading")], NAMES[NAMES.index("loading") :]]


def prove(*words: str) -> Outcome:
    # a new process: the modules of a fork may be others than those that its own forks need
    return outcome_of(
        start_python(["-m", "benchmarks.gpu", *words], environment={"PYTHONHASHSEED": "random"})
    )


@pytest.mark.parametrize("names", HALVES, ids=["computing", "running"])
def test_every_check_runs_on_tiny_models(tmp_path: Path, names: list[str]) -> None:
    file = tmp_path / "record.json"
    done = prove("--dry-run", "--only", *names, "--out", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    assert all(len(line) <= 100 for line in done.stdout.splitlines())
    assert f"{len(names)} ok, 0 FAILED, 0 skipped in " in done.stdout.splitlines()[-1]
    record = json.loads(file.read_text())
    assert {"torch", "cuda", "deepspeed", "python"} <= record["versions"].keys()
    assert record["device"] == "CPU" and record["commit"] and record["driver"] == ""
    assert [check["name"] for check in record["checks"]] == names
    for check in record["checks"]:
        verdicts = {figure["verdict"] for figure in check["figures"]}
        assert check["figures"] and verdicts <= {"ok", "told"}, check
        assert any(figure["limit"] for figure in check["figures"]), check


def test_all_checks_of_one_gpu_fit_into_eight_minutes() -> None:
    starting = 15  # seconds: the program's own imports, and ending what is late
    needed = sum(check.seconds for check in CHECKS.values() if check.gpus == 1)
    assert needed + starting <= TOTAL_SECONDS == 480


def test_without_a_gpu_the_cure_is_named() -> None:
    done = prove()
    assert done.returncode == 2
    line = "benchmarks.gpu: there is no GPU; --dry-run goes through the checks on the CPU\n"
    assert done.stderr == line


def test_a_check_that_does_not_exist_is_refused_with_the_names() -> None:
    done = prove("--dry-run", "--only", "speed")
    assert done.returncode == 2
    assert done.stderr.startswith("benchmarks.gpu: --only: there is no check speed; it has mach")
    assert done.stderr.count("\n") == 1
