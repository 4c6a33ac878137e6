"""Signals that ask a run to stop: it finishes the step, saves, and leaves with a known status."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED = 75  # EX_TEMPFAIL of sysexits.h: nothing is wrong, the same command goes on
INTERRUPTED = 130
# preemption and scancel; SLURM's --signal=USR1; Ctrl-C
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
OVER = 0  # not the number of a signal
ONE_KEY_PRESS = 1.0  # seconds in which launchers may pass the same Ctrl-C on twice


class Stopped(RuntimeError):
    """The run was asked to stop and has done so in good order."""

    exit_status = STOPPED

    def __init__(self, message: str, on_every_process: bool) -> None:
        super().__init__(message)
        self.on_every_process = on_every_process


class SignalState:
    """Remembers a request to stop; a second Ctrl-C ends the process at once."""

    def __init__(self) -> None:
        self.request: str | None = None  # name of the signal
        self._is_training = False

    def training_begins(self) -> None:
        """From now on a request waits until the run asks for it."""
        self._is_training = True

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if not self._is_training:
            raise Stopped(f"stopped by {name} before the first step; nothing is lost", False)
        if self.request is None:
            self.request = name

    def count_key_presses(self, reading: int) -> None:
        """Ends the process at the second Ctrl-C, whatever its main thread waits for."""
        pressed_at: float | None = None
        while (numbers := os.read(reading, 64)) and OVER not in numbers:
            now = time.monotonic()
            if signal.SIGINT not in numbers or not self._is_training:
                continue
            if pressed_at is None:
                pressed_at = now
                os.write(2, b"finishing the step, then saving; Ctrl-C again to stop at once\n")
            elif now - pressed_at > ONE_KEY_PRESS:
                os.write(2, b"stopped at once; the steps since the last checkpoint are lost\n")
                os._exit(INTERRUPTED)


@contextmanager
def handle_signals() -> Iterator[SignalState]:
    """Hears SIGNALS while the body runs, which the main thread must do."""
    signals = SignalState()
    before = {number: signal.signal(number, signals.on_signal) for number in SIGNALS}
    # a thread hears Ctrl-C even where the main thread does not come back to Python
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    thread = threading.Thread(target=signals.count_key_presses, args=[reading], daemon=True)
    thread.start()
    try:
        yield signals
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.write(writing, bytes([OVER]))  # closing is not enough: workers have inherited the pipe
        thread.join()
        os.close(writing)
        os.close(reading)


def ignore_interrupts() -> None:
    """For helper processes, which end with the process that started them."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
