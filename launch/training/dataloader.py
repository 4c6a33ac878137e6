"""Batches from worker processes: the items of each process and step, and workers that hang."""

import os
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import active_children
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from launch.distributed.process_group import Processes
from launch.distributed.signals import end_with_parent, ignore_interrupts
from launch.training.ring_buffer import PREFETCHED

Batch = TypeVar("Batch")
SHARED_FILE = "</torch_"  # in PyTorch's errors, the name of a file in shared memory
LOST = "exited unexpectedly"  # in PyTorch's error, of a worker


class SharedMemoryFull(OSError):
    """A worker could not put its batch into shared memory."""

    exit_status = 2

    def __init__(self, trace: str) -> None:
        reason = trace.strip().splitlines()[-1].rpartition(": ")[2]
        super().__init__(
            f"data.workers: a batch does not fit in shared memory, /dev/shm ({reason}); enlarge it "
            "(docker run --shm-size), raise the limit on the size of files (ulimit -f), or set "
            "data.workers=0"
        )


class WorkerLost(RuntimeError):
    """A worker ended, and not in a read."""

    exit_status = 2

    def __init__(self, exit_codes: Sequence[int | None]) -> None:
        codes = {code for code in exit_codes if code}
        ends = [signal.Signals(-code).name if code < 0 else f"status {code}" for code in codes]
        super().__init__(
            f"data.workers: a loader worker ended ({', '.join(sorted(ends))}); where memory is "
            "short the system kills one: lower data.workers or batch.micro_batch_size, and run the "
            "same command again"
        )


class ReadIndex(NamedTuple):
    """One item: a position in the order of an epoch."""

    epoch: int
    position: int


class ReadSampler(Sampler[list[ReadIndex]]):
    """The reads of one process for a range of micro-batches.

    All reads of a run form one sequence: the shuffled epochs, one after the other. A step takes
    the next part of it with any number of processes, so no read is dropped at the end of an epoch
    and a resumed run skips none. `order` returns the shuffled positions of an epoch.
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
            indices = []
            for number in range(first, first + self._reads):
                epoch_of_read, position = divmod(number, self._per_epoch)
                if epoch_of_read != epoch:
                    epoch, order = epoch_of_read, self._order(epoch_of_read)
                indices.append(ReadIndex(epoch, int(order[position])))
            yield indices


def oversized_batch(clips: int, clips_per_epoch: int) -> list[str]:
    """A warning where one step has more clips than the data; else nothing."""
    if clips <= clips_per_epoch:
        return []
    times = f"{clips / clips_per_epoch:.3g}"
    return [
        f"warning: batch.global_batch_size: {clips} clips of a step are {times} times the data, "
        f"which has {clips_per_epoch} clips an epoch; lower it, or add recordings"
    ]


def excess_workers(workers: int) -> list[str]:
    """A warning where a process has more loader workers than cores; else nothing."""
    cores = len(os.sched_getaffinity(0))
    if workers <= cores:
        return []
    return [
        f"warning: data.workers: {workers} workers of a process share {cores} "
        f"core{'s' * (cores > 1)}, which reads no faster; set it to {cores} or lower"
    ]


def iterate_batches(
    dataset: Dataset[Batch],
    schedule: Callable[[int], Iterable[Any]],
    workers: int,
    collect_timeouts: Callable[[], bool],
    pins: bool = False,
) -> Iterator[Batch]:
    """All batches; after a worker hung and was ended, new workers load the remaining ones.

    `schedule(done)` returns the indices into the dataset that remain after `done` batches.
    `collect_timeouts` returns whether a worker that ended had hung, and records the read that it
    hung on. `pins`: in pinned memory, for a GPU.
    """

    def load(done: int) -> Iterable[Batch]:
        # `excess_workers` says it once
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
        return DataLoader(
            dataset,
            batch_size=None,
            sampler=schedule(done),
            collate_fn=_in_shared_memory,
            num_workers=workers,
            prefetch_factor=PREFETCHED if workers else None,
            pin_memory=pins,
            worker_init_fn=_start_worker,
            multiprocessing_context="fork" if workers else None,
            # the default would draw from the generator that dropout uses, so resuming would differ
            generator=torch.Generator(),
        )

    done = 0
    while True:
        others = set(active_children())
        batches = iter(load(done))
        started = set(active_children()) - others
        # the loader's handler would raise in the middle of a training step; `next` raises as well
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            for batch in batches:
                done += 1
                yield batch
            return
        except RuntimeError as error:
            if SHARED_FILE in str(error):
                raise SharedMemoryFull(str(error)) from None
            if not collect_timeouts():
                if LOST in str(error):
                    raise WorkerLost([worker.exitcode for worker in started]) from None
                raise
        for worker in started:  # else they would write into slots that new ones fill
            worker.kill()
            worker.join()


def _in_shared_memory(batch: Batch) -> Batch:
    """In a worker: an error of the thread that sends it would be lost, and the loader hang."""
    fields = batch if isinstance(batch, tuple) else (batch,)
    if get_worker_info() is not None:
        for field in fields:
            if isinstance(field, torch.Tensor):
                field.share_memory_()
    return batch


def _start_worker(worker: int) -> None:
    end_with_parent()
    torch.set_num_threads(1)
    ignore_interrupts()  # the training process handles them
