"""All processes stop after the same step, whether they agree in a step or by the next one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from launch.checkpoint.store import complete_checkpoints
from tests.launch.run.graceful_stop_program import SAVED, SIGNAL_AT

PROGRAM = str(Path(__file__).parent / "graceful_stop_program.py")


@pytest.mark.parametrize(
    ("mode", "stopped"), [("immediate", SIGNAL_AT), ("deferred", SIGNAL_AT + 1)]
)
def test_all_processes_stop_and_no_step_waits_for_a_checkpoint(
    together: Callable, tmp_path: Path, mode: str, stopped: int
) -> None:
    outcomes = together([PROGRAM, str(tmp_path), mode], 2)
    assert all(outcome.returncode == 0 for outcome in outcomes), outcomes[0].stderr
    results = [json.loads(outcome.stdout.splitlines()[-1]) for outcome in outcomes]
    assert [each["stopped"] for each in results] == [stopped, stopped]
    for each in results:
        assert each["busy"] and not any(each["busy"]), "a checkpoint is continued when it is ready"
    steps = [int(folder.name.rpartition("-")[2]) for folder in complete_checkpoints(tmp_path)]
    assert steps == [*SAVED, stopped]
