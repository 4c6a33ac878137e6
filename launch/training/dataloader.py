"""Batches from worker processes: which items a process reads at a step, and how that goes on when
a worker hangs."""

import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from launch.distributed.process_group import Processes
from launch.distributed.signals import ignore_interrupts

Batch = TypeVar("Batch")


class NothingReadable(OSError):
    """One process finds nothing that it can read any more."""

    exit_status = 2


@runtime_checkable
class HasClips(Protocol):
    """A micro-batch."""

    @property
    def clip(self) -> Tensor: ...

    @property
    def failures(self) -> tuple[Any, ...]: ...  # what could not be read on the way


Whole = TypeVar("Whole", bound=HasClips)


class ReadIndex(NamedTuple):
    """One item: a position in the order of an epoch."""

    epoch: int
    position: int


class ReadSampler(Sampler[list[ReadIndex]]):
    """The reads of one process, micro-batch by micro-batch, from any on.

    All reads of a run form one sequence: the shuffled epochs, one behind the other. A step takes
    the next stretch of it, whatever the number of processes, so nothing is dropped at the end of
    an epoch and nothing need be read to resume. `order` gives the positions of an epoch.
    """

    def __init__(
        self,
        reads_per_epoch: int,
        order: Callable[[int], np.ndarray],
        micro_batches: range,
        reads: int,
        processes: Processes,
    ) -> None:
        self._per_epoch, self._order, self._reads = reads_per_epoch, order, reads
        self._micro_batches = micro_batches
        self._rank, self._world_size = processes.rank, processes.world_size

    def __len__(self) -> int:
        return len(self._micro_batches)

    def __iter__(self) -> Iterator[list[ReadIndex]]:
        epoch, order = -1, np.empty(0, np.uint32)
        for micro_batch in self._micro_batches:
            first = (micro_batch * self._world_size + self._rank) * self._reads
            chosen = []
            for number in range(first, first + self._reads):
                wanted, place = divmod(number, self._per_epoch)
                if wanted != epoch:
                    epoch, order = wanted, self._order(wanted)
                chosen.append(ReadIndex(epoch, int(order[place])))
            yield chosen


def iterate_batches(
    dataset: Dataset[Any],
    schedule: Callable[[int], Iterable[list[ReadIndex]]],
    collate: Callable[[list[Any]], Batch],
    workers: int,
    processes: Processes,
    collect_timeouts: Callable[[], bool],
) -> Iterator[Batch]:
    """All batches; where a worker hung and was ended, the rest is loaded without that try.

    `schedule(done)` is what remains after so many batches; `found_overdue` tells whether a worker
    that is gone had hung, and remembers what on.
    """

    def load(done: int) -> Iterable[Batch]:
        return DataLoader(
            dataset,
            batch_sampler=schedule(done),
            collate_fn=collate,
            num_workers=workers,
            pin_memory=processes.device.type == "cuda",
            worker_init_fn=_start_worker,
            multiprocessing_context="fork" if workers else None,
            # else it would draw a number that dropout would have had, where a run goes on
            generator=torch.Generator(),
        )

    done = 0
    while True:
        batches = iter(load(done))
        # the loader's handler would raise in the middle of a training step; asking tells as well
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            for batch in batches:
                done += 1
                yield batch
            return
        except RuntimeError:
            if not collect_timeouts():
                raise


def require_full_batches(batches: Iterable[Whole], clips: int) -> Iterator[Whole]:
    """The same batches; raises NothingReadable where a read found nothing to replace it."""
    for batch in batches:
        if len(batch.clip) < clips:
            raise NothingReadable(
                f"{len(batch.failures)} places in a row cannot be read, the last: "
                f"{batch.failures[-1]}; is the disk of the recordings still there?"
            )
        yield batch


def to_device(
    batches: Iterable[Whole], device: torch.device, fields: Sequence[str]
) -> Iterator[Whole]:
    """The same batches, NamedTuples, with the tensors of some fields on a device.

    To a GPU they are copied on a stream of their own: the host is ahead of the device, so that the
    next batch arrives while the device still computes on the last one.
    """
    if device.type != "cuda":
        yield from batches
        return
    beside = torch.cuda.Stream(device)
    for batch in batches:
        with torch.cuda.stream(beside):
            there = {name: getattr(batch, name).to(device, non_blocking=True) for name in fields}
        computing = torch.cuda.current_stream(device)
        computing.wait_stream(beside)
        for tensor in there.values():
            tensor.record_stream(computing)  # else its memory would be taken while it is read
        yield cast(Any, batch)._replace(**there)


def _start_worker(worker: int) -> None:
    torch.set_num_threads(1)
    ignore_interrupts()  # the training process decides what they mean
