"""Work in a process of its own, with a time limit: what hangs or crashes there ends nothing else.

A driver, a network file system or a collective can block in native code, where no exception and no
thread reaches it.
"""

import json
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from tempfile import TemporaryFile
from typing import Any

MARGIN = 5  # seconds after the limit, when a process ends itself if its parent has not ended it


class NoAnswer(RuntimeError):
    """The work raised, crashed, or took too long; the message says which."""


class Isolated:
    """Work that has begun in a forked process. Its result must be plain data.

    The process has its own group, so that `answer` also ends what the work has started.
    """

    def __init__(self, work: Callable[[], Any], seconds: float) -> None:
        self._seconds, self._ends = seconds, time.monotonic() + seconds
        self._errors = TemporaryFile()  # noqa: SIM115  # read after the process has ended
        self._pipe, write_end = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _run_and_exit(work, seconds, write_end, self._errors.fileno())
        os.close(write_end)

    def answer(self) -> Any:
        """The result; raises NoAnswer."""
        text = bytearray()
        try:
            while chunk := self._read():
                text += chunk
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            os.close(self._pipe)
            status = self._wait()
        if not text:
            raise NoAnswer(f"ended without an answer ({self._reason(status)})")
        kind, value = json.loads(text)
        if kind == "error":
            raise NoAnswer(value)
        return value

    def _read(self) -> bytes:
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        if not poll.poll(max(0, 1000 * (self._ends - time.monotonic()))):
            raise NoAnswer(f"no answer in {self._seconds:g} s")
        return os.read(self._pipe, 2**16)

    def _wait(self) -> int | None:
        """None: it is blocked in the kernel, and ends when that returns."""
        ends = time.monotonic() + 1
        while time.monotonic() < ends:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                return status
            time.sleep(0.005)
        return None

    def _reason(self, status: int | None) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        if lines:
            return lines[-1].strip()
        if status is not None and os.WIFSIGNALED(status):
            return signal.Signals(os.WTERMSIG(status)).name
        return "no message"


def _run_and_exit(work: Callable[[], Any], seconds: float, pipe: int, errors: int) -> None:
    """In the forked process; never returns."""
    try:
        os.setpgid(0, 0)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.alarm(int(seconds) + MARGIN)
        os.dup2(errors, 1)  # native code prints too, and must not mix with the table
        os.dup2(errors, 2)
        try:
            answer = ["value", work()]
        except Exception as error:
            is_ours = getattr(error, "exit_status", None) is not None
            is_ours = is_ours or isinstance(error, NoAnswer)
            text = " ".join(str(error).split())
            answer = ["error", text if is_ours else f"{type(error).__name__}: {text}"]
        with os.fdopen(pipe, "wb") as file:
            file.write(json.dumps(answer).encode())
    finally:
        os._exit(0)


def run_isolated(work: Callable[[], Any], seconds: float) -> Any:
    """The result of `work`, which must be plain data; raises NoAnswer."""
    return Isolated(work, seconds).answer()
