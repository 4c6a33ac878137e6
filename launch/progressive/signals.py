"""Signals to a chain: they are handed on to the stage that runs, and end the chain between two."""

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

from launch.distributed.signals import INTERRUPTED, SIGNALS, STOPPED, Stopped


class SignalForwarder:
    """Knows the running stage, and hands signals on to its program's processes."""

    def __init__(self) -> None:
        self.heard: list[signal.Signals] = []
        self._leader: int | None = None
        self._levels = 0

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        # a lost terminal asks a stage, which may know nothing of it, to save
        name = signal.SIGTERM if number == signal.SIGHUP else signal.Signals(number)
        self.heard.append(name)
        if self._leader is not None:
            self._hand_on(name)

    def stage_begins(self, leader: int, levels: int) -> None:
        """`leader` of the stage's process group, and generations from it to the program."""
        self._leader, self._levels = leader, levels
        if self.heard:  # it came while the stage was being started
            self._hand_on(self.heard[-1])

    def stage_ends(self) -> None:
        self._leader = None

    def require_unasked(self, when: str) -> None:
        """Raises Stopped where a signal has asked the chain to end."""
        if self.heard:
            raise Stopped(f"stopped by {self.heard[0].name} {when}; the same command goes on", True)

    def status(self, returned: int) -> int:
        """A stage's exit status, of what its launcher returned.

        A program that a stop met before it listened, or that listens to none, has died of it.
        """
        status = 128 - returned if returned < 0 else returned
        for number in self.heard:
            if status in (128 + number, 256 - number):
                return INTERRUPTED if number == signal.SIGINT else STOPPED
        return status

    def _hand_on(self, number: signal.Signals) -> None:
        assert self._leader is not None  # else it would be this process's own group
        below = _generation(self._leader, self._levels) if self._levels else []
        for process in below:
            with contextlib.suppress(ProcessLookupError):  # it has just ended; others have not
                os.kill(process, number)
        if not below:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._leader, number)


@contextlib.contextmanager
def forward_signals() -> Iterator[SignalForwarder]:
    """Hears SIGNALS, and the loss of the terminal, while the body runs in the main thread."""
    relay = SignalForwarder()
    heard = [*SIGNALS]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
        heard.append(signal.SIGHUP)
    before = {number: signal.signal(number, relay.on_signal) for number in heard}
    try:
        yield relay
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _generation(leader: int, levels: int) -> list[int]:
    """Processes that many generations below one: a launcher that is signalled itself kills them.

    Only through them does the launcher's exit status stay that of the program.
    """
    import psutil  # type: ignore[import-untyped]  # where there is deepspeed, there is psutil

    found = [leader]
    for _ in range(levels):
        above, found = found, []
        for process in above:
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                found += [child.pid for child in psutil.Process(process).children()]
    return found
