"""Signals to a real process: the first requests a stop, a second Ctrl-C ends it at once."""

import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT

PROGRAM = """
import sys, time
from launch.distributed.signals import handle_signals
from launch.entrypoint import exit_process, run_program
def main():
    with handle_signals() as signals:
        if sys.argv[1] == "training":
            signals.training_begins()
        print("ready", flush=True)
        time.sleep(float(sys.argv[2]))
        print("stop requested by", signals.request)
exit_process(run_program("waits", main))
"""


def start(when: str, seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PROGRAM, when, str(seconds)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGINT"])
def test_a_training_process_stores_a_request(name: str) -> None:
    process = start("training", 1)
    process.send_signal(signal.Signals[name])
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, f"stop requested by {name}\n")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGINT"])
def test_before_the_first_step_it_exits_with_the_status_of_a_stop(name: str) -> None:
    process = start("preparing", 60)
    process.send_signal(signal.Signals[name])
    _, err = process.communicate(timeout=20)
    assert process.returncode == 75
    assert (
        err.splitlines()[-1] == f"waits: stopped by {name} before the first step; nothing is lost"
    )


def test_a_second_control_c_ends_it_at_once() -> None:
    process = start("training", 60)
    process.send_signal(signal.SIGINT)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert [line.split()[0] for line in err.splitlines()] == ["finishing", "stopped"]


def test_one_key_press_that_comes_twice_is_one_request() -> None:
    process = start("training", 2)
    for name in ("SIGINT", "SIGINT", "SIGTERM"):  # as a terminal and its launcher send them
        process.send_signal(signal.Signals[name])
        time.sleep(0.1)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "stop requested by SIGINT\n")
