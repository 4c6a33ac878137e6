"""Real processes of which one fails: the others end, and the cause is printed once."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launch.distributed.stack_dump import format_stack_dump
from tests.conftest import (
    HANG_LIMIT,
    free_port,
    kill_all,
    launcher_free_environment,
    start_together,
)

PROGRAM = str(Path(__file__).parent / "failing_program.py")


SECONDS = "10"  # without a heartbeat, or without progress


def end_together(how: str, rank: int, *seconds: str) -> list:
    """Starts two processes; (exit status, last line of errors, all errors, seconds) of each.

    The seconds are from the failure to the end of the process. Where the watchdog is given none to
    wait, a process that ends at all has not waited for its limit, which is longer than HANG_LIMIT.
    """
    started = start_together([PROGRAM, how, str(rank), *seconds], 2)
    ends: dict[int, float] = {}
    limit = time.monotonic() + HANG_LIMIT
    while len(ends) < 2 and time.monotonic() < limit:
        ends |= {
            i: time.time() for i, p in enumerate(started) if i not in ends and p.poll() is not None
        }
        time.sleep(0.05)
        if how == "freeze" and 1 - rank in ends:
            started[rank].send_signal(signal.SIGKILL)  # what a launcher would do
    if len(ends) < 2:
        kill_all(started)
        pytest.fail("a process did not end")
    outcomes = []
    outputs = [process.communicate() for process in started]
    failed_at = float(outputs[rank][0].split("fails now ")[1].split()[0])
    for i, (_, errors) in enumerate(outputs):
        lines = errors.splitlines()
        last = lines[-1] if lines else ""
        outcomes.append((started[i].returncode, last, errors, ends[i] - failed_at))
    return outcomes


@pytest.mark.parametrize("rank", [0, pytest.param(1, marks=pytest.mark.soak)])
def test_the_cause_is_said_by_the_process_that_failed_and_by_no_other(rank: int) -> None:
    outcomes = end_together("raise", rank)
    status, last, errors, _ = outcomes[rank]
    assert status == 1 and "Traceback" in errors and "in burst" in errors
    assert last.startswith(f"failing: rank {rank} of 2 on ")
    assert last.endswith("failed: ArithmeticError: the sum of the parts is not the whole")
    status, _, errors, _ = outcomes[1 - rank]
    assert status == 1 and not errors


@pytest.mark.soak
def test_an_error_made_for_users_is_one_line_with_its_status_on_all_processes() -> None:
    (other, *_), (status, _, errors, _) = end_together("exit", 1)
    assert (other, status) == (2, 2)
    assert errors.count("\n") == 1
    assert errors.endswith("failed: data.source: is gone from this node\n")


@pytest.mark.parametrize(
    ("rank", "says"),
    [
        (1, "rank 1 on .* has sent no heartbeat"),
        pytest.param(0, "rank 0 on .*, which has the store, is gone", marks=pytest.mark.soak),
    ],
)
def test_a_killed_process_is_named_by_one_that_is_left(rank: int, says: str) -> None:
    outcomes = end_together("kill", rank)
    assert outcomes[rank][0] == -signal.SIGKILL
    status, last, _, _ = outcomes[1 - rank]
    assert status == 1
    assert last.startswith(f"rank {1 - rank} of 2: ")
    assert re.search(says, last)


@pytest.mark.soak
@pytest.mark.parametrize("rank", [0, 1])
def test_a_frozen_process_is_given_up_after_the_limit(rank: int) -> None:
    status, _, errors, seconds = end_together("freeze", rank, SECONDS)[1 - rank]
    assert status == 1
    says = {
        0: r"rank 1 of 2: rank 0 on \S+, which has the store, has not answered for 1\d s; it is "
        "frozen, or its machine is gone\n",
        1: r"rank 0 of 2: rank 1 on \S+ has sent no heartbeat for 1\d s; it was killed, or its "
        "machine is gone\n",
    }
    assert re.fullmatch(says[rank], errors)
    assert seconds > float(SECONDS) - 1


@pytest.mark.soak
@pytest.mark.parametrize("launcher", ["torchrun", "deepspeed"])
def test_a_launcher_ends_with_the_cause_among_its_last_lines(launcher: str) -> None:
    port = f"--master_port={free_port()}"
    commands = {
        "torchrun": ("torchrun", "--nproc_per_node=2", port),
        "deepspeed": ("deepspeed", "--num_accelerators=2", port),
    }
    program, *options = commands[launcher]
    done = subprocess.run(
        [Path(sys.executable).parent / program, *options, PROGRAM, "raise", "1"],
        env={**launcher_free_environment(), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=HANG_LIMIT,
    )
    assert done.returncode == 1
    assert "ArithmeticError: the sum of the parts" in "\n".join(done.stderr.splitlines()[-25:])
    assert done.stderr.count("in burst") == 1 + (launcher == "torchrun")  # which says it again


@pytest.mark.soak
def test_native_code_that_holds_the_interpreter_is_shown_and_ended() -> None:
    outcomes = end_together("hold", 1, SECONDS)
    assert outcomes[1][0] == -signal.SIGALRM
    assert "in hold" in outcomes[1][2]
    assert outcomes[0][0] == 1


@pytest.mark.soak
def test_a_stall_is_told_once_with_the_place_of_every_process() -> None:
    (status, _, errors, _), other = end_together("sleep", 1, SECONDS)
    assert status == other[0] == 0  # it went on after all
    assert errors.count("stalled: no progress for") == 1
    assert "rank 0 on" in errors and "step 3, computing for" in errors
    assert "rank 1 on" in errors and "step 3, waiting for data for" in errors
    assert '"sleep": lambda: time.sleep(3 * seconds)' in errors
    assert "stalled" not in other[2]


def test_processes_at_one_place_are_told_together_and_the_odd_one_last() -> None:
    answers = {
        0: ("step 3, computing for 61 s", "all_reduce\n"),
        1: ("step 3, waiting for data for 62 s", "read\n"),
        2: ("step 3, computing for 61 s", "all_reduce\n"),
    }
    assert format_stack_dump(answers, ["a", "a", "b", "b"], 61).splitlines() == [
        "stalled: no progress for 61 s; the processes are",
        "  rank 0 on a: step 3, computing for 61 s",
        "  rank 2 on b: step 3, computing for 61 s",
        "    all_reduce",
        "  rank 1 on a: step 3, waiting for data for 62 s",
        "    read",
        "  rank 3 on b: does not answer",
    ]
