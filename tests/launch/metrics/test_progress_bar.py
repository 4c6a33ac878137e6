"""The progress of a run on a terminal and in a file."""

import errno
import io
import os
import subprocess
import sys

import pytest
from rich.console import Console

from launch.metrics.progress_bar import ProgressBar
from tests.conftest import HANG_LIMIT, ROOT


def test_a_file_gets_plain_lines_and_a_terminal_one_line() -> None:
    for terminal in (False, True):
        out = io.StringIO()
        console = Console(file=out, force_terminal=terminal, width=120)
        progress = ProgressBar(range(0, 4), console)
        progress.print("data: [a] {b}")
        progress.update(2)
        progress.report(3, "loss 0.5")
        progress.close()
        assert "data: [a] {b}" in out.getvalue()
        assert "ETA 0:00:00  loss 0.5" in out.getvalue()
        assert "step 3/4  ETA" in out.getvalue()
        assert (out.getvalue().count("━") > 0) == terminal
        assert ("\x1b" in out.getvalue()) == terminal


def test_the_first_steps_which_are_slow_do_not_count_for_the_remaining_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A resumed run of 200 steps more: 40 s until its first step is done, then 1 s for each."""
    now, out = [0.0], io.StringIO()
    monkeypatch.setattr("launch.metrics.progress_bar.time.monotonic", lambda: now[0])
    progress = ProgressBar(range(100, 300), Console(file=out))
    for step in range(101, 131):
        now[0] += 40 if step == 101 else 1
        progress.update(step)
        if step in (101, 102, 110, 130):
            progress.report(step, "loss 1")
    lines = out.getvalue().splitlines()
    assert lines == [
        "step 101/300  loss 1",
        "step 102/300  loss 1",
        "step 110/300  ETA 0:03:10  loss 1",
        "step 130/300  ETA 0:02:50  loss 1",
    ]


@pytest.mark.parametrize("number", [errno.EFBIG, errno.ENOSPC, errno.EPIPE])
def test_an_output_that_cannot_be_written_does_not_end_the_run(number: int) -> None:
    code = (
        "import os, sys\n"
        "from rich.console import Console\n"
        "from launch.metrics.progress_bar import ProgressBar\n"
        "class Broken:\n"
        "    def write(self, text):\n"
        "        raise OSError(int(sys.argv[1]), os.strerror(int(sys.argv[1])))\n"
        "    def flush(self): self.write('')\n"
        "progress = ProgressBar(range(0, 4), Console(file=Broken()))\n"
        "progress.report(1, 'a')\n"
        "progress.report(2, 'b')\n"
        "progress.close()\n"
    )
    command = [sys.executable, "-c", code, str(number)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG_LIMIT)
    assert done.returncode == 0, done.stderr
    reason = "its reader has ended" if number == errno.EPIPE else os.strerror(number)
    assert done.stderr == f"warning: standard output: {reason}; see log.jsonl\n"


def test_a_narrow_terminal_loses_the_end_of_the_line_and_the_bar() -> None:
    out = io.StringIO()
    progress = ProgressBar(range(0, 4), Console(file=out, force_terminal=True, width=40))
    progress.update(2)
    progress.report(3, "loss 0.5  lr 1.00e-04  33.0 clips/s  data wait 1%")
    progress.close()
    assert "step 3/4  ETA 0:00:00  loss 0.5" in out.getvalue()
    assert "━" not in out.getvalue()
    assert "data wait" not in out.getvalue()
