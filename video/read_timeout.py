"""A time limit for readers that hang in native code, where no exception can reach them."""

import faulthandler
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

import torch
from torch.utils.data import get_worker_info


class Attempt(NamedTuple):
    """The decoding of one place: the n-th try of a read."""

    epoch: int
    position: int
    number: int


class ReadTimeout:
    """Ends a loader's worker that takes too long for an attempt, and knows afterwards which it was.

    Shared by a process and the workers that it forks. The limit holds whether or not the reader
    lets other threads run.
    """

    def __init__(self, workers: int, seconds: float) -> None:
        self._seconds = seconds
        self._rows = torch.full((workers, 4), -1, dtype=torch.int64).share_memory_()
        self._hung: set[Attempt] = set()

    @contextmanager
    def limit(self, worker: int, attempt: Attempt) -> Iterator[None]:
        """Watches what `worker` does inside; it ends its process with a traceback if late."""
        self._rows[worker] = torch.tensor([*attempt, int(1e3 * time.monotonic())])
        faulthandler.dump_traceback_later(self._seconds, exit=True)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            self._rows[worker] = -1

    def limit_tries(
        self, epoch: int, position: int
    ) -> Callable[[int], AbstractContextManager[None]]:
        """What a loader's worker puts around each try of a read, by the number of the try.

        In the training process itself, which must not be ended, nothing is watched.
        """

        def around(number: int) -> AbstractContextManager[None]:
            worker = get_worker_info()
            if worker is None:
                return nullcontext()
            return self.limit(worker.id, Attempt(epoch, position, number))

        return around

    def timed_out_tries(self, epoch: int, position: int) -> list[int]:
        """The tries of a read that took too long; known to workers that were forked since."""
        return [attempt.number for attempt in self._hung if attempt[:2] == (epoch, position)]

    def collect_timeouts(self) -> bool:
        """Whether attempts have taken too long since this was asked last; remembers them."""
        now, before = 1e3 * time.monotonic(), len(self._hung)
        for worker, (*attempt, started) in enumerate(self._rows.tolist()):
            if started >= 0 and now - started >= 1e3 * self._seconds:
                self._hung.add(Attempt(*attempt))
                self._rows[worker] = -1
        return len(self._hung) > before
