"""What every command-line program does: `--version`, errors and exit status."""

import subprocess
import sys

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


def test_any_other_error_has_its_traceback_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program("pretrain", lambda: [][0]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback")
    assert printed.endswith("pretrain: IndexError: list index out of range\n")
