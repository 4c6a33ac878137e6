"""Signals that stop a run: it finishes the step, saves, and exits with a defined status."""

import ctypes
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED = 75  # EX_TEMPFAIL of sysexits.h: no error, the same command resumes the run
INTERRUPTED = 130
# preemption and scancel; SLURM's --signal=USR1; Ctrl-C
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
PR_SET_PDEATHSIG = 1  # of prctl(2)
CLOSE = 0  # not the number of a signal
REPEAT_SECONDS = 1.0  # launchers may forward the same Ctrl-C twice within this time


class Stopped(RuntimeError):
    """The run has stopped after a signal, with its state saved."""

    exit_status = STOPPED

    def __init__(self, message: str, on_every_process: bool) -> None:
        super().__init__(message)
        self.on_every_process = on_every_process


class SignalState:
    """Stores a request to stop; a second Ctrl-C ends the process at once."""

    def __init__(self) -> None:
        self.request: str | None = None  # name of the signal
        self._is_training = False

    def training_begins(self) -> None:
        """From now on a request waits until the end of a step."""
        self._is_training = True

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if not self._is_training:
            raise Stopped(f"stopped by {name} before the first step; nothing is lost", False)
        if self.request is None:
            self.request = name

    def count_key_presses(self, read_end: int) -> None:
        """Ends the process at the second Ctrl-C, even if its main thread is blocked."""
        pressed_at: float | None = None
        while (numbers := os.read(read_end, 64)) and CLOSE not in numbers:
            now = time.monotonic()
            if signal.SIGINT not in numbers or not self._is_training:
                continue
            if pressed_at is None:
                pressed_at = now
                os.write(2, b"finishing the step, then saving; Ctrl-C again to stop at once\n")
            elif now - pressed_at > REPEAT_SECONDS:
                os.write(2, b"stopped at once; the steps since the last checkpoint are lost\n")
                os._exit(INTERRUPTED)


@contextmanager
def handle_signals() -> Iterator[SignalState]:
    """Handles SIGNALS while the body runs; call it in the main thread."""
    signals = SignalState()
    before = {number: signal.signal(number, signals.on_signal) for number in SIGNALS}
    # a thread notices Ctrl-C even while the main thread is blocked in native code
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    wakeup = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    thread = threading.Thread(target=signals.count_key_presses, args=[read_end], daemon=True)
    thread.start()
    try:
        yield signals
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        # workers have inherited the pipe, so closing it would not end the thread
        os.write(write_end, bytes([CLOSE]))
        thread.join()
        os.close(write_end)
        os.close(read_end)


def ignore_interrupts() -> None:
    """For helper processes, which end with their parent process."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def end_with_parent() -> None:
    """Makes the kernel kill this process, forked by its parent's main thread, when that ends.

    It has inherited the parent's open GPU, whose memory stays taken as long as one process has it.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # of Linux
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:
        raise SystemExit  # it ended before the kernel was told
