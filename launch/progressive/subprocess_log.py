"""A stage's processes: started, shown while they write their log, waited for to the last."""

import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from launch.progressive.launchers import LaunchCommand
from launch.progressive.locks import is_locked, lock
from launch.progressive.signals import SignalForwarder
from launch.progressive.yaml_lines import ChainError

Process = subprocess.Popen[bytes]
POLL_SECONDS = 0.1
QUIET_SECONDS = 10.0  # of processes that outlive their leader; longer than it takes to end in order


class Follower:
    """Copies what is added to a log to the terminal."""

    def __init__(self, log: Path) -> None:
        self._file = log.open("rb")
        self._file.seek(0, 2)
        self._shows = True

    def copy(self) -> None:
        while added := self._file.read(2**16):
            if self._shows:
                try:
                    sys.stdout.flush()
                    sys.stdout.buffer.write(added)
                    sys.stdout.buffer.flush()
                except OSError:  # the terminal is gone; the log is not
                    self._shows = False

    def close(self) -> None:
        self._file.close()


def run_logged(
    launch: LaunchCommand,
    log: Path,
    relay: SignalForwarder,
    started: Callable[[int], None],
    say: Callable[[str], None],
) -> int:
    """Runs a command in a process group of its own, its output in the log and on the terminal.

    `started` is told the leader's process id. Returns when no process of the stage is left, with
    the exit status of `Relay.status`. Raises ChainError where it cannot be started.
    """
    process, keeper, follower = _start(launch, log)
    started(process.pid)
    relay.stage_begins(process.pid, launch.levels)
    try:
        while process.poll() is None:
            follower.copy()
            time.sleep(POLL_SECONDS)
        _wait_for_release(log, follower, say)
        keeper.wait()
    finally:
        relay.stage_ends()
        follower.copy()
        follower.close()
    return relay.status(process.returncode)


def _start(launch: LaunchCommand, log: Path) -> tuple[Process, Process, Follower]:
    """The stage, the keeper of its output, and what shows it."""
    try:
        with log.open("ab", buffering=0) as out:
            lock(out)
            again = "\n" if log.stat().st_size else ""  # a killed program leaves half a line
            words = shlex.join(launch.command)
            out.write(f"{again}# {time.strftime('%Y-%m-%d %H:%M:%S')} {words}\n".encode())
            follower = Follower(log)
            # sessions of their own: Ctrl-C comes through the relay, once
            keeper = subprocess.Popen(
                [sys.executable, "-m", "launch.progressive.log_writer"],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise ChainError(f"{log}: cannot be written ({error.strerror}); make room") from None
    assert keeper.stdin
    with keeper.stdin:  # the stage's processes have it, and close it by ending
        try:
            process = subprocess.Popen(
                launch.command,
                stdin=subprocess.DEVNULL,
                stdout=keeper.stdin,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ChainError(f"{launch.command[0]}: cannot be started ({error.strerror})") from None
    return process, keeper, follower


def wait_for_orphaned_stage(
    log: Path, leader: int | None, levels: int, relay: SignalForwarder
) -> None:
    """Waits for a stage of a chain that was killed, and shows what it writes.

    `leader`: of its process group, where that is on this machine; `levels`: as of its Launch.
    """
    follower = Follower(log)
    if leader is not None:
        relay.stage_begins(leader, levels)
    try:
        while is_locked(log) and (leader is not None or not relay.heard):
            follower.copy()
            time.sleep(POLL_SECONDS)
    finally:
        relay.stage_ends()
        follower.copy()
        follower.close()


def _wait_for_release(log: Path, follower: Follower, say: Callable[[str], None]) -> None:
    began, told = time.monotonic(), False
    while is_locked(log):
        follower.copy()
        time.sleep(POLL_SECONDS)
        if not told and time.monotonic() - began > QUIET_SECONDS:
            say("has ended, but processes of it are alive; the chain waits for them")
            told = True
