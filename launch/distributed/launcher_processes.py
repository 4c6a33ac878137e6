"""The launcher that has started this process, and whether it still runs."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# in the command line of a Python program that starts ranks and ends them together
LAUNCHERS = ("deepspeed", "torchrun", "torch.distributed", "torch/distributed", "accelerate")


class _Process(NamedTuple):
    pid: int
    parent: int
    started: str  # a later process may get the same number


class LauncherProcesses:
    """The launchers above this process; deepspeed has two, one of which starts the other.

    Where nothing but a shell has started it, there is none: a shell may end before its programs.
    """

    def __init__(self, proc: Path = Path("/proc"), parent: int | None = None) -> None:
        self._proc = proc
        self._launchers = list(self._above(os.getppid() if parent is None else parent))

    def gone(self) -> int | None:
        """The process number of a launcher that has ended; None: all are there."""
        return next((each.pid for each in self._launchers if not self._runs(each)), None)

    def _runs(self, process: _Process) -> bool:
        now = self._read(process.pid)  # its parent may have changed
        return now is not None and now.started == process.started

    def _above(self, pid: int) -> Iterator[_Process]:
        process = self._read(pid)
        while process is not None and self._is_launcher(process.pid):
            yield process
            process = self._read(process.parent)

    def _read(self, pid: int) -> _Process | None:
        try:
            # the program's name before it may hold spaces and brackets
            fields = (self._proc / f"{pid}/stat").read_text(errors="replace").rpartition(")")[2]
        except OSError:
            return None
        state, parent, *later = fields.split()
        ended = state in ("Z", "X")
        return None if ended else _Process(pid, int(parent), later[17])

    def _is_launcher(self, pid: int) -> bool:
        try:
            words = (self._proc / f"{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        text = [word.decode(errors="replace") for word in words]
        is_python = Path(text[0]).name.startswith("python")
        return is_python and any(name in word for word in text[:6] for name in LAUNCHERS)
