"""A limit for readers that hang or crash in native code, where no exception can reach them."""

import faulthandler
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from mmap import mmap
from typing import NamedTuple

import torch
from torch.utils.data import get_worker_info


class Attempt(NamedTuple):
    """One try of a read; each try decodes a different position."""

    epoch: int
    position: int
    number: int


class ReadTimeout:
    """Ends data-loading workers that exceed the time limit of an attempt, and records the attempt.

    So are attempts recorded in which a worker crashed. Shared between a process and the workers
    that it forks. It also ends a reader that holds the GIL.
    """

    def __init__(self, workers: int, seconds: float) -> None:
        self._seconds = seconds
        memory = mmap(-1, 8 * 5 * max(1, workers))  # forked processes share it, without a file
        self._rows = torch.frombuffer(memory, dtype=torch.int64).view(-1, 5).fill_(-1)
        self._hung: set[Attempt] = set()

    @contextmanager
    def limit(self, worker: int, attempt: Attempt) -> Iterator[None]:
        """Within the context, `worker` is ended with a traceback after the time limit."""
        self._rows[worker] = torch.tensor([*attempt, int(1e3 * time.monotonic()), os.getpid()])
        faulthandler.dump_traceback_later(self._seconds, exit=True)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            self._rows[worker] = -1

    def limit_tries(
        self, epoch: int, position: int
    ) -> Callable[[int], AbstractContextManager[None]]:
        """A function from the number of a try to the context in which a worker makes it.

        The training process itself has no limit, because it must not be ended.
        """

        def around(number: int) -> AbstractContextManager[None]:
            worker = get_worker_info()
            if worker is None:
                return nullcontext()
            return self.limit(worker.id, Attempt(epoch, position, number))

        return around

    def timed_out_tries(self, epoch: int, position: int) -> list[int]:
        """The tries of a read that timed out, as known to workers that were forked afterwards."""
        return [attempt.number for attempt in self._hung if attempt[:2] == (epoch, position)]

    def collect_timeouts(self) -> bool:
        """Records attempts that timed out or crashed; returns whether there are any new ones."""
        now, before = 1e3 * time.monotonic(), len(self._hung)
        for worker, (*attempt, started, pid) in enumerate(self._rows.tolist()):
            if started >= 0 and (now - started >= 1e3 * self._seconds or not _is_running(pid)):
                self._hung.add(Attempt(*attempt))
                self._rows[worker] = -1
        return len(self._hung) > before


def _is_running(pid: int) -> bool:
    """Whether a child of this process runs; the loader has waited for those that ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
