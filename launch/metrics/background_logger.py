"""A logger whose service may be slow or absent, in a process of its own."""

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from launch.metrics.loggers import LoggerContext

CHILD = "launch.metrics.logger_process"
MAX_PENDING = 10_000  # calls; images are rare
ROOT = Path(__file__).parents[2]


class BackgroundLogger:
    """Passes calls on to a logger in a child process; no call waits for it.

    The libraries of such services block the interpreter's exit while they retry, a child process
    can be killed. `target` is "module:class"; the child calls the class with `config` and the run
    folder. After its first error the logger is given up: the run goes on, and a warning is printed
    once. `close` waits for at most `timeout` seconds, and so
    long the child may go on sending after the run was killed.
    """

    def __init__(self, target: str, config: Any, context: LoggerContext, timeout: float) -> None:
        self._name, self._timeout, self._warn = config.kind, timeout, context.warn
        self._calls: queue.Queue[tuple[Any, ...] | None] = queue.Queue(MAX_PENDING)
        self._has_failed = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", CHILD, str(os.getpid()), str(timeout)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": _python_path()},
            start_new_session=True,  # Ctrl-C is for the run
        )
        self._calls.put((target, config, context.folder))
        self._thread = threading.Thread(target=self._send, name=self._name, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Of the child process."""
        return self._process.pid

    def log_scalars(self, step: int, values: dict[str, float]) -> None:
        self._add(("log_scalars", step, values))

    def log_image(self, step: int, name: str, image: UInt8[np.ndarray, "h w c"]) -> None:
        self._add(("log_image", step, name, image))

    def close(self) -> None:
        """Waits until everything is sent, or for the timeout."""
        self._add(None)
        self._thread.join(self._timeout)
        if self._thread.is_alive():
            self._fail(f"it did not answer within {self._timeout:g} s")
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _add(self, call: tuple[Any, ...] | None) -> None:
        if self._has_failed:
            return
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            self._fail(f"{MAX_PENDING} calls wait for it")

    def _send(self) -> None:
        """Sends the calls, then waits for the error of the child, which is empty after success."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            while (call := self._calls.get()) is not None and not self._has_failed:
                pickle.dump(call, stdin)
                stdin.flush()
            stdin.close()
        except OSError:
            pass  # the child has ended and says why
        reason = stdout.read().decode()
        if reason or self._process.wait():
            self._fail(reason or f"its process ended with status {self._process.returncode}")

    def _fail(self, reason: str) -> None:
        if not self._has_failed:
            self._has_failed = True
            self._warn(
                f"warning: log.loggers: {self._name} failed ({reason}); the run continues without "
                "it, log.jsonl has all metrics"
            )


def _python_path() -> str:
    """Finds this project, and a user's modules, wherever the run was started."""
    return os.pathsep.join([str(ROOT), *(path for path in sys.path if path)])
