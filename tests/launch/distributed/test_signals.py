"""Signals to a real process: the first one requests a stop, a second Ctrl-C ends it at once."""

import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import HANG_LIMIT, ROOT

PROGRAM = """
import sys
import launch.distributed.signals
from launch.distributed.signals import handle_signals
from launch.entrypoint import exit_process, run_program
def main():
    launch.distributed.signals.REPEAT_SECONDS = float(sys.argv[2])
    with handle_signals() as signals:
        if sys.argv[1] == "training":
            signals.training_begins()
        print("ready", flush=True)
        sys.stdin.read()  # until the test has sent its signals
        print("stop requested by", signals.request)
exit_process(run_program("waits", main))
"""


def start(when: str, repeat: float = 1.0) -> "subprocess.Popen[str]":
    """`repeat`: seconds in which several signals count as one."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, when, str(repeat)],
        cwd=ROOT,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGINT"])
def test_a_training_process_stores_a_request(name: str) -> None:
    process = start("training")
    process.send_signal(signal.Signals[name])
    out, _ = process.communicate(timeout=HANG_LIMIT)
    assert (process.returncode, out) == (0, f"stop requested by {name}\n")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGINT"])
def test_before_the_first_step_it_exits_with_the_status_of_a_stop(name: str) -> None:
    process = start("preparing")
    process.send_signal(signal.Signals[name])
    _, err = process.communicate(timeout=HANG_LIMIT)
    assert process.returncode == 75
    assert (
        err.splitlines()[-1] == f"waits: stopped by {name} before the first step; nothing is lost"
    )


def test_a_second_control_c_ends_it_at_once() -> None:
    process = start("training", repeat=0.2)
    process.send_signal(signal.SIGINT)
    assert process.stderr and process.stderr.readline().startswith("finishing ")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(HANG_LIMIT) == 130
    assert process.communicate()[1].startswith("stopped ")


def test_one_repeat_that_comes_twice_is_one_request() -> None:
    process = start("training", repeat=HANG_LIMIT)
    for name in ("SIGINT", "SIGINT", "SIGTERM"):  # as a terminal and its launcher send them
        process.send_signal(signal.Signals[name])
        time.sleep(0.1)
    out, _ = process.communicate(timeout=HANG_LIMIT)
    assert (process.returncode, out) == (0, "stop requested by SIGINT\n")
