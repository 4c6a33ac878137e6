"""Batches from worker processes: the items of each process and step, and workers that hang."""

import os
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from launch.distributed.process_group import Processes
from launch.distributed.signals import end_with_parent, ignore_interrupts
from launch.rng import sample_rng

Batch = TypeVar("Batch")
Read = TypeVar("Read")
SHARED_FILE = "</torch_"  # in PyTorch's errors, the name of a file in shared memory


class NothingReadable(OSError):
    """A process found no readable clip."""

    exit_status = 2


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


@runtime_checkable
class MicroBatch(Protocol):
    """The clips of one forward pass."""

    @property
    def clip(self) -> Tensor: ...

    @property
    def recordings(self) -> tuple[str, ...]: ...  # of each read

    @property
    def failures(self) -> tuple[Any, ...]: ...  # places that were unreadable and replaced


Clips = TypeVar("Clips", bound=MicroBatch)


class ReadIndex(NamedTuple):
    """One item: a position in the order of an epoch."""

    epoch: int
    position: int


@runtime_checkable
class AttemptLimits(Protocol):
    """The attempts of a read that timed out, and the time limit of further ones."""

    def timed_out_tries(self, epoch: int, position: int) -> list[int]: ...

    def limit_tries(self, epoch: int, position: int) -> Callable[[int], Any]: ...


class ReadDataset(Dataset[tuple[ReadIndex, Read]]):
    """Decodes one read; its random numbers depend on the read, not on the worker.

    `read(position, rng, timed_out, limit)` decodes the read; `rng(sample, stream)` is the generator
    of a sample in its epoch.
    """

    def __init__(self, read: Callable[..., Read], seed: int, limits: AttemptLimits) -> None:
        self._read, self._seed, self._limits = read, seed, limits

    def __getitem__(self, index: ReadIndex) -> tuple[ReadIndex, Read]:
        def rng(sample: int, stream: str) -> np.random.Generator:
            return sample_rng(self._seed, index.epoch, sample, stream)

        timed_out, limit = self._limits.timed_out_tries(*index), self._limits.limit_tries(*index)
        return index, self._read(index.position, rng, timed_out, limit)


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
    dataset: Dataset[Any],
    schedule: Callable[[int], Iterable[list[ReadIndex]]],
    collate: Callable[[list[Any]], Batch],
    workers: int,
    processes: Processes,
    collect_timeouts: Callable[[], bool],
) -> Iterator[Batch]:
    """All batches; after a worker hung and was ended, new workers load the remaining ones.

    `schedule(done)` returns the reads that remain after `done` batches. `collect_timeouts` returns
    whether a worker that ended had hung, and records the read that it hung on.
    """

    def load(done: int) -> Iterable[Batch]:
        # `excess_workers` says it once
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
        return DataLoader(
            dataset,
            batch_sampler=schedule(done),
            collate_fn=collate,
            num_workers=workers,
            pin_memory=processes.device.type == "cuda",
            worker_init_fn=_start_worker,
            multiprocessing_context="fork" if workers else None,
            # the default would draw from the generator that dropout uses, so resuming would differ
            generator=torch.Generator(),
        )

    done = 0
    while True:
        batches = iter(load(done))
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
                raise


def require_full_batches(batches: Iterable[Clips], clips: int) -> Iterator[Clips]:
    """The same batches; raises NothingReadable where a read found no readable replacement."""
    for batch in batches:
        if len(batch.clip) < clips:
            raise NothingReadable(
                f"{len(batch.failures)} reads in a row failed, the last: {batch.failures[-1]}; is "
                "the disk with the recordings still mounted?"
            )
        yield batch


def to_device(
    batches: Iterable[Batch], device: torch.device, fields: Sequence[str]
) -> Iterator[Batch]:
    """The same batches, NamedTuples, with the tensors of some fields on a device.

    A separate stream copies them to a GPU, while the GPU still computes on the previous batch.
    """
    if device.type != "cuda":
        yield from batches
        return
    copy_stream = torch.cuda.Stream(device)
    for batch in batches:
        with torch.cuda.stream(copy_stream):
            copies = {name: getattr(batch, name).to(device, non_blocking=True) for name in fields}
        compute_stream = torch.cuda.current_stream(device)
        compute_stream.wait_stream(copy_stream)
        for tensor in copies.values():
            tensor.record_stream(compute_stream)  # else its memory may be reused too early
        yield cast(Any, batch)._replace(**copies)


def _start_worker(worker: int) -> None:
    end_with_parent()
    torch.set_num_threads(1)
    ignore_interrupts()  # the training process handles them
