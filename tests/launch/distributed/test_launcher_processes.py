"""The launchers above a process, on real processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from launch.distributed.launcher_processes import LauncherProcesses
from tests.conftest import wait_until

WAITS = "import sys; sys.stdin.read()"
# starts a program below itself, prints its number, and waits
STARTS = (
    "import subprocess, sys\n"
    f"child = subprocess.Popen([sys.executable, '-c', {WAITS!r}, *sys.argv[1:]], stdin=-1)\n"
    "print(child.pid, flush=True)\n"
    "sys.stdin.read()"
)


def start(*words: str) -> "subprocess.Popen[str]":
    """A program with these words in its command line, which waits."""
    return subprocess.Popen(
        [sys.executable, "-c", STARTS, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("word", ["/bin/deepspeed", "torch.distributed.run", "/bin/torchrun"])
def test_a_launcher_that_is_killed_is_noticed(word: str) -> None:
    outer = start(word)
    assert outer.stdout is not None
    inner = int(outer.stdout.readline())
    # a program that was just started has no command line for a moment
    wait_until(lambda: word.encode() in Path(f"/proc/{inner}/cmdline").read_bytes())
    launchers = LauncherProcesses(parent=inner)  # of a process below both
    only_outer = LauncherProcesses(parent=outer.pid)
    assert launchers.gone() is None and only_outer.gone() is None
    outer.kill()
    wait_until(lambda: launchers.gone() is not None)
    assert launchers.gone() in (inner, outer.pid) and only_outer.gone() == outer.pid
    outer.communicate()  # from here on the number may belong to another process
    assert only_outer.gone() == outer.pid


def test_a_program_that_is_no_launcher_may_end() -> None:
    shell = start("train.py", "runs/first")
    launchers = LauncherProcesses(parent=shell.pid)
    shell.kill()
    shell.communicate()
    assert launchers.gone() is None


def test_a_name_with_brackets_and_another_process_of_the_same_number(tmp_path: Path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    later = "1 1 0 -1 4194560 1 1 0 0 1 1 0 0 20 0 1 0"
    (folder / "stat").write_text(f"7 (a) S (b) S 1 {later} 5000 9 9\n")
    (folder / "cmdline").write_bytes(b"/usr/bin/python3\0-m\0torch.distributed.run\0x\0")
    launchers = LauncherProcesses(tmp_path, 7)
    assert launchers.gone() is None
    (folder / "stat").write_text(f"7 (python) R 1 {later} 6000 9 9\n")
    assert launchers.gone() == 7
