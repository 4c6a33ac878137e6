"""What every command-line program does: `--version`, errors and exit status."""

import errno
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from launch.entrypoint import run_program
from launch.errors import ConfigError
from launch.version import VERSION
from tests.conftest import HANG_LIMIT, ROOT

PROGRAMS = ("masking", "video", "encoder", "launch", "pretrain", "finetune")


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_print_the_version(program: str) -> None:
    command = [sys.executable, "-m", program, "--version"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG_LIMIT)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"surgmask {VERSION}\n", "")


def test_an_error_of_the_user_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ConfigError("seed: -1 is refused")

    assert run_program("pretrain", fail) == 2
    assert capsys.readouterr().err == "pretrain: seed: -1 is refused\n"


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "free space"),
        (errno.EDQUOT, "free space within the quota"),
        (errno.EFBIG, r"raise the limit on the size of files \(ulimit -f\)"),
    ],
)
def test_a_full_disk_is_one_line_with_its_cure(
    capsys: pytest.CaptureFixture[str], number: int, cure: str
) -> None:
    def fail() -> None:
        raise OSError(number, os.strerror(number), "runs/first/config.yaml")

    assert run_program("pretrain", fail) == 2
    line = "pretrain: runs/first/config.yaml: cannot be written .*; " + cure
    assert re.fullmatch(f"{line}, and run the same command again\n", capsys.readouterr().err)


def test_a_program_ends_whose_error_cannot_be_written(tmp_path: Path) -> None:
    """Both outputs are files at their limit; a thread would keep a Python program that raises."""
    code = (
        "import threading, time\n"
        "from launch.entrypoint import exit_process, run_program\n"
        "threading.Thread(target=time.sleep, args=[10**6]).start()\n"
        "def fail():\n    print('x' * 5000, flush=True)\n"
        "exit_process(run_program('pretrain', fail))\n"
    )
    limit = 2048

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            stdout=out,
            stderr=err,
            preexec_fn=limited,
            timeout=HANG_LIMIT,
        )
    assert done.returncode == 2


def test_any_other_error_has_its_traceback_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program("pretrain", lambda: [][0]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback")
    assert printed.endswith("pretrain: IndexError: list index out of range\n")


def test_control_characters_of_an_error_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ConfigError("\x1b[31mred\x07.mp4: is empty; é and 手术 stay")

    assert run_program("pretrain", fail) == 2
    assert capsys.readouterr().err == "pretrain: \\x1b[31mred\\x07.mp4: is empty; é and 手术 stay\n"


def test_too_little_memory_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        np.empty(2**50, dtype=np.float64)

    assert run_program("pretrain", fail) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "not enough memory (Unable to allocate 8.00 PiB" in error
