"""Micro-batches that loader workers read into the slots of a ring."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from launch.rng import sample_rng
from launch.training.dataloader import ReadIndex, iterate_batches
from launch.training.ring_buffer import BatchRing

Batch = TypeVar("Batch")


class NothingReadable(OSError):
    """A process found no readable clip."""

    exit_status = 2


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


@runtime_checkable
class AttemptLimits(Protocol):
    """The attempts of a read that timed out, and the time limit of further ones."""

    def timed_out_tries(self, epoch: int, position: int) -> list[int]: ...

    def limit_tries(self, epoch: int, position: int) -> Callable[[int], Any]: ...


class MicroBatchDataset(Dataset[Batch]):
    """Reads a micro-batch into its slot of a ring; random numbers depend on the read alone.

    `read(position, rng, timed_out, limit, out)` decodes a read into `out` [r t h w c], and returns
    its clips, none where it failed; `rng(sample, stream)` is the generator of a sample in its
    epoch. `collate(clip, items)` makes the micro-batch. The clips of `group` reads alternate.
    """

    def __init__(
        self,
        read: Callable[..., Any],
        collate: Callable[[Tensor, list[Any]], Batch],
        ring: BatchRing,
        seed: int,
        limits: AttemptLimits,
        group: int = 1,
    ) -> None:
        self._read, self._collate, self._ring = read, collate, ring
        self._seed, self._limits, self._group = seed, limits, group

    def __getitem__(self, index: tuple[int, list[ReadIndex]]) -> Batch:
        """What to send of a micro-batch, by its number in the loader and its reads."""
        number, reads = index
        clip = self._ring.slot(number)["clip"]
        # a view of [groups, clips of a read, reads of a group, frames, h, w, c]
        places = clip.flatten(1, -4).unflatten(0, (len(reads) // self._group, -1, self._group))
        items = [
            (read, self.read(read, places[i // self._group, :, i % self._group]))
            for i, read in enumerate(reads)
        ]
        if not all(len(item.clips) for _, item in items):
            clip = clip[:0]  # a read failed; require_full_batches refuses the micro-batch
        return self._ring.put(number, self._collate(clip, items))

    def read(self, read: ReadIndex, out: Tensor | None = None) -> Any:
        """One read, in memory of its own without `out`."""

        def rng(sample: int, stream: str) -> np.random.Generator:
            return sample_rng(self._seed, read.epoch, sample, stream)

        timed_out, limit = self._limits.timed_out_tries(*read), self._limits.limit_tries(*read)
        return self._read(read.position, rng, timed_out, limit, out)


def iterate_micro_batches(
    dataset: MicroBatchDataset[Batch],
    ring: BatchRing,
    schedule: Callable[[int], Iterable[list[ReadIndex]]],
    workers: int,
    collect_timeouts: Callable[[], bool],
) -> Iterator[Batch]:
    """All micro-batches, in a ring: each is overwritten when the next but one is taken.

    `schedule` and `collect_timeouts`: see `iterate_batches`.
    """

    def numbered(done: int) -> Iterable[tuple[int, list[ReadIndex]]]:
        return enumerate(schedule(done), done)

    batches = iterate_batches(dataset, numbered, workers, collect_timeouts)
    for number, sent in enumerate(batches):
        yield ring.take(number, sent)


def require_full_batches(batches: Iterable[Clips], clips: int) -> Iterator[Clips]:
    """The same batches; raises NothingReadable where a read found no readable replacement."""
    for batch in batches:
        if len(batch.clip) < clips:
            raise NothingReadable(
                f"{len(batch.failures)} reads in a row failed, the last: {batch.failures[-1]}; is "
                "the disk with the recordings still mounted?"
            )
        yield batch
