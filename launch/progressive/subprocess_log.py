"""A stage's processes: started, logged, waited for, and ended if the chain is killed."""

import os
import select
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from launch.progressive.chain import ChainError
from launch.progressive.launchers import LaunchCommand
from launch.progressive.signals import SignalForwarder

# `read` waits until the chain has closed the pipe, at the latest by its own death; then the signal
# $0 goes to all processes of the group, also to those that a launcher has started
END_WITH_CHAIN = """
exec 3<&0
{ trap "" HUP INT TERM USR1; read -r _ <&3; kill -s "$0" 0; } >/dev/null 2>&1 &
exec "$@" 3<&- </dev/null
"""
MAX_WAITING = 2**20  # bytes of output that wait in memory while the disk is full
LAST_SECONDS = 60.0  # time to make room after the stage has ended
QUIET_SECONDS = 10.0  # without output from processes that outlive their launcher


class LogFile:
    """Appends to a file; while the disk is full, output waits, and what is too much is counted.

    A stage that wrote to a full disk by itself would fail at its next line.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._waiting = b""
        self.lost_bytes = 0

    def write(self, output: bytes = b"") -> bool:
        """Whether all output is written."""
        self._waiting += output
        try:
            while self._waiting:
                self._waiting = self._waiting[os.write(self._file.fileno(), self._waiting) :]
                if not self._waiting and self.lost_bytes:
                    self._waiting = b"\n# %d bytes are missing: disk full\n" % self.lost_bytes
                    self.lost_bytes = 0
        except OSError:
            self.lost_bytes += max(0, len(self._waiting) - MAX_WAITING)
            self._waiting = self._waiting[:MAX_WAITING]
        return not self._waiting

    def finish(self) -> int:
        """Waits for room on the disk; returns the number of bytes that were not written."""
        ends = time.monotonic() + LAST_SECONDS
        while not self.write() and time.monotonic() < ends:
            time.sleep(0.2)
        return len(self._waiting) + self.lost_bytes


def run_logged(
    launch: LaunchCommand, log: Path, forwarder: SignalForwarder, echo: Callable[[str], None]
) -> int:
    """Runs a command in its own process group; its output goes to the log and to the terminal.

    Returns the exit status when no process writes to the log any more. Raises ChainError if the
    command cannot be started.
    """
    if shutil.which(launch.command[0]) is None:
        raise ChainError(f"{launch.command[0]}: cannot be started (not found)")
    with _open_log(log, launch) as file:
        output = LogFile(file)
        process = subprocess.Popen(
            ["sh", "-c", END_WITH_CHAIN, launch.end_signal, *launch.command],
            stdin=subprocess.PIPE,  # its end in this process is what END_WITH_CHAIN reads
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with process, forwarder.forward_to(process.pid, launch.levels):
            _copy_output(process, output, echo)
            returned = process.wait()  # before `with` closes the pipe, which ends what is left
        if missing := output.finish():
            echo(f"warning: {log} lacks {missing:,} bytes: disk full")
    return forwarder.exit_status(returned)


def _open_log(log: Path, launch: LaunchCommand) -> IO[bytes]:
    """The log, with the command as a new line in it."""
    try:
        file = log.open("ab", buffering=0)
        separator = "\n" if log.stat().st_size else ""  # the last line may be incomplete
        command = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {shlex.join(launch.command)}"
        file.write(f"{separator}# {command}\n".encode())
    except OSError as error:
        raise ChainError(f"{log}: cannot be written ({error.strerror}); make room") from None
    return file


def _copy_output(
    process: "subprocess.Popen[bytes]", output: LogFile, echo: Callable[[str], None]
) -> None:
    """Until the last process that may write has ended, which may be later than the launcher."""
    assert process.stdout
    has_terminal, has_warned = True, False
    while True:
        if not select.select([process.stdout], [], [], QUIET_SECONDS)[0]:
            output.write()
            if process.poll() is not None and not has_warned:
                echo("its launcher has ended, but other processes of it run; waiting for them")
                has_warned = True
            continue
        added = os.read(process.stdout.fileno(), 2**16)
        if not added:
            return
        output.write(added)
        has_terminal = has_terminal and _show(added)


def _show(output: bytes) -> bool:
    """Whether there is still a terminal."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(output)
        sys.stdout.buffer.flush()
    except OSError:
        return False
    return True
