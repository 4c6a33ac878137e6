"""The whole command, on one and on two real processes."""

import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from launch.cli import main
from launch.doctor.checks import CHECKS
from tests.conftest import (
    HANG_LIMIT,
    ROOT,
    Outcome,
    free_port,
    launcher_free_environment,
    outcome_of,
    start_python,
)

NAMES = [check.name for check in CHECKS]
MACHINE = {"versions", "driver", "devices", "cores", "host memory", "shared memory", "open files"}
NETWORK = {"rendezvous", "host name", "route", "gloo"}


def doctor(*words: str, environment: dict[str, str] | None = None) -> Outcome:
    return outcome_of(start_python(["-m", "launch", "doctor", *words], environment=environment))


def rows_of(document: dict[str, Any]) -> dict[str, Any]:
    return {row["name"]: row for row in document["checks"]}


@pytest.mark.parametrize("columns", [80, 120])
def test_one_process_prints_a_table_that_fits(columns: int) -> None:
    with TemporaryDirectory() as folder:  # a short path
        done = doctor("--run", f"{folder}/run", environment={"COLUMNS": str(columns)})
        assert list(Path(folder).iterdir()) == []
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    first, *table, last = done.stdout.splitlines()
    assert first.startswith("doctor: one process on ")
    named = [line for line in table if line[0] != " "]
    assert all(re.match(r"(ok|warning) +[a-z]", line) for line in named)
    begins = {re.match(r"\S+ +\S+( \S+)* {2,}", line).end() for line in named}  # type: ignore[union-attr]
    assert len(begins) == 1  # the columns are aligned
    assert max(map(len, [first, *table])) <= columns
    assert re.fullmatch(r"\d+ ok, \d+ warnings?, 0 failed in \d+ s", last)


def test_two_processes_print_one_json_document(together: Callable, tmp_path: Path) -> None:
    command = ["-m", "launch", "doctor", "--json", "--run", str(tmp_path)]
    first, second = together(command, 2)
    assert (first.returncode, second.returncode) == (0, 0), first.stdout + first.stderr
    assert second.stdout == ""
    document = json.loads(first.stdout)
    assert (document["processes"], document["failed"]) == (2, 0)
    rows = rows_of(document)
    assert MACHINE | NETWORK | {"writing", "compiler", "deepspeed"} == {*rows}
    values = rows["gloo"]["parts"][0]["values"]
    assert values["processes"] == 2 and values["gb_per_second"] > 0 and values["ms"] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_failed_check_ends_with_2_on_every_process(together: Callable, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    command = ["-m", "launch", "doctor", "--run", str(file / "run")]
    outcomes = together(command, 2)
    assert [outcome.returncode for outcome in outcomes] == [2, 2]
    assert f"failed writing {file} cannot be written" in " ".join(outcomes[0].stdout.split())


def test_a_process_that_does_not_come_is_named_in_time() -> None:
    port = str(free_port())
    ranks = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "3", "LOCAL_WORLD_SIZE": "3"}
    meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    begin = time.monotonic()
    done = doctor("--limit", "4", environment=ranks | meet)
    assert done.returncode == 2 and time.monotonic() - begin < HANG_LIMIT / 4
    assert re.search(r"^failed +rendezvous .*ranks 1-2 of 3 did not come", done.stdout, re.M)
    assert re.search(r"^warning +gloo +not tried: rendezvous failed", done.stdout, re.M)


def test_a_process_that_finds_no_rank_0_says_so() -> None:
    ranks = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    done = subprocess.run(
        [sys.executable, "-m", "launch", "doctor", "--limit", "2"],
        cwd=ROOT,
        env={**launcher_free_environment(), **ranks, **meet},
        capture_output=True,
        text=True,
        timeout=HANG_LIMIT,
    )
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("doctor: rank 1 on ") and "timed out" in line


def test_a_low_limit_and_a_wrong_accelerator_are_found() -> None:
    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))

    done = subprocess.run(
        [sys.executable, "-m", "launch", "doctor", "--json"],
        cwd=ROOT,
        env={**launcher_free_environment(), "DS_ACCELERATOR": "cuda"},
        capture_output=True,
        text=True,
        timeout=HANG_LIMIT,
        preexec_fn=lower,
    )
    assert done.returncode == 2, done.stderr
    rows = rows_of(json.loads(done.stdout))
    assert rows["open files"]["verdict"] == "failed"
    assert rows["open files"]["parts"][0]["values"]["hard_limit"] == 200
    assert rows["deepspeed"]["verdict"] == "failed"
    assert rows["deepspeed"]["cures"] == ["unset DS_ACCELERATOR (it is cuda)"]


STUCK = """
import os, time
from launch.distributed.process_group import detect_processes
from launch.doctor.diagnosis import diagnose
from launch.doctor.check_result import Check, Finding, Place
from launch.doctor.table import format_table
def look(place):
    if place.processes.rank == 1:
        time.sleep(600)
    return Finding("ok", "well")
checks = (Check("disk", look, cure="look at the mount"), Check("all", look, "together"))
processes = detect_processes(os.environ)
diagnosis, status = diagnose(Place(processes, f"n{processes.rank}", 3.0), checks)
if processes.is_rank0:
    print("\\n".join(format_table(diagnosis, 100)))
raise SystemExit(status)
"""


def test_a_check_that_hangs_on_one_process_is_named_and_ends(together: Callable) -> None:
    first, second = together(["-c", STUCK], 2)
    assert (first.returncode, second.returncode) == (2, 2), first.stderr + second.stderr
    lines = [" ".join(line.split()) for line in first.stdout.splitlines()]
    for name in ("disk", "all"):
        at = lines.index(f"failed {name} no answer in 3 s [n1 (rank 1)]")
        assert lines[at + 1] == "ok: well [n0 (rank 0)]"
    assert lines.count("cure: look at the mount") == 1


def test_wrong_words_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--limit", "0"], ["--limit", "soon"], ["x"]):
        with pytest.raises(SystemExit) as end:
            main(["doctor", *words])
        assert end.value.code == 2
    assert "soon" in capsys.readouterr().err


def test_every_check_has_a_name_of_its_own() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(check.after in ("", *NAMES) for check in CHECKS)
