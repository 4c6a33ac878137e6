"""The process that keeps a stage's output: `python -m launch.progressive.log_writer < PIPE >> LOG`.

It stands between a stage and its log, so that the stage outlives both its chain, which may be
killed, and a full disk, on which a stage that wrote by itself would fail at its next line.
"""

import os
import signal
import sys
import time

from launch.distributed.signals import ignore_interrupts

HELD_BYTES = 2**20  # of output that waits for room on the disk
LAST_SECONDS = 60.0  # in which room may still be made after the stage has ended


class LogWriter:
    """Appends to a file; what cannot be written waits, and what waits too long is counted."""

    def __init__(self, log: int) -> None:
        self._log = log
        self._waiting = b""
        self._lost = 0

    def add(self, output: bytes) -> None:
        self._waiting += output
        self.write()
        self._lost += max(0, len(self._waiting) - HELD_BYTES)
        self._waiting = self._waiting[:HELD_BYTES]

    def write(self) -> bool:
        """Whether nothing waits any more."""
        try:
            while self._waiting:
                self._waiting = self._waiting[os.write(self._log, self._waiting) :]
                if not self._waiting and self._lost:
                    self._waiting = b"\n# %d bytes found no room on the disk\n" % self._lost
                    self._lost = 0
        except OSError:
            return False
        return True


def main() -> None:
    """Ends when the last process of the stage has closed its output."""
    ignore_interrupts()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    keeper = LogWriter(sys.stdout.fileno())
    while output := os.read(sys.stdin.fileno(), 2**16):
        keeper.add(output)
    ends = time.monotonic() + LAST_SECONDS
    while not keeper.write() and time.monotonic() < ends:
        time.sleep(0.2)


if __name__ == "__main__":
    main()
