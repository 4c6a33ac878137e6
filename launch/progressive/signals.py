"""Signals to a chain: forwarded to the running stage; between two stages they end the chain."""

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

from launch.distributed.signals import INTERRUPTED, SIGNALS, STOPPED, Stopped


class SignalForwarder:
    """Sends the signals that the chain receives to the processes of the running stage's program."""

    def __init__(self) -> None:
        self._received: list[signal.Signals] = []
        self._leader: int | None = None
        self._levels = 0

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        # programs do not handle SIGHUP, which means that the terminal is gone: SIGTERM saves
        name = signal.SIGTERM if number == signal.SIGHUP else signal.Signals(number)
        self._received.append(name)
        if self._leader is not None:
            self._send(name)

    @contextlib.contextmanager
    def forward_to(self, leader: int, levels: int) -> Iterator[None]:
        """Sends signals to a stage while the body runs.

        `leader` is its process group; its program is `levels` generations below that process.
        """
        self._leader, self._levels = leader, levels
        if self._received:  # while the stage was being started
            self._send(self._received[-1])
        try:
            yield
        finally:
            self._leader = None

    def raise_if_stopped(self, when: str) -> None:
        """Raises Stopped if a signal was received."""
        if self._received:
            name = self._received[0].name
            raise Stopped(f"stopped by {name} {when}; run the same command to resume", True)

    def exit_status(self, returned: int) -> int:
        """The exit status of a stage whose launcher returned `returned`.

        A program that was killed by a forwarded signal, because it does not handle signals, or not
        yet, counts as stopped.
        """
        status = 128 - returned if returned < 0 else returned
        for number in self._received:
            if status in (128 + number, 256 - number):
                return INTERRUPTED if number == signal.SIGINT else STOPPED
        return status

    def _send(self, number: signal.Signals) -> None:
        assert self._leader is not None  # else it would be this process's own group
        programs = _descendants(self._leader, self._levels) if self._levels else []
        for process in programs:
            with contextlib.suppress(ProcessLookupError):  # it has just ended; others may run
                os.kill(process, number)
        if not programs:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._leader, number)


@contextlib.contextmanager
def forward_signals() -> Iterator[SignalForwarder]:
    """Handles SIGNALS and SIGHUP while the body runs, which the main thread must do."""
    forwarder = SignalForwarder()
    handled = [*SIGNALS]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
        handled.append(signal.SIGHUP)
    before = {number: signal.signal(number, forwarder.on_signal) for number in handled}
    try:
        yield forwarder
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _descendants(leader: int, levels: int) -> list[int]:
    """The processes exactly `levels` generations below one.

    The deepspeed launcher kills its children when it is signalled itself; if only they are
    signalled, it returns the exit status of the program.
    """
    import psutil  # type: ignore[import-untyped]  # a requirement of deepspeed

    found = [leader]
    for _ in range(levels):
        parents, found = found, []
        for process in parents:
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                found += [child.pid for child in psutil.Process(process).children()]
    return found
