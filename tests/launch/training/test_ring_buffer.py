"""The memory of loader workers: bounded, shared without files, and not overwritten too early."""

import os
import signal
import time
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from launch.training.dataloader import ReadIndex, WorkerLost
from launch.training.micro_batch import MicroBatchDataset, iterate_micro_batches
from launch.training.ring_buffer import BatchRing, FieldSpec, NoBatchMemory, num_slots

CPU = torch.device("cpu")
BATCHES, READS, COPIES = 40, 4, 2
FIELDS = {
    "clip": FieldSpec((READS * COPIES, 2, 3, 3, 3), torch.uint8),
    "visible": FieldSpec((READS * COPIES, 5), torch.int64),
}


class Batch(NamedTuple):
    clip: Tensor
    visible: Tensor
    label: Tensor  # not in the ring
    workers: tuple[int, ...]


class Read(NamedTuple):
    clips: Tensor
    position: int
    worker: int


class Limits:
    def timed_out_tries(self, epoch: int, position: int) -> list[int]:
        return []

    def limit_tries(self, epoch: int, position: int) -> Any:
        return None


def read(position: int, rng: Any, timed_out: Collection[int], limit: Any, out: Tensor) -> Read:
    for copy, clip in enumerate(out):
        clip.fill_((position * COPIES + copy) % 251)
    return Read(out, position, os.getpid())


def collate(clip: Tensor, items: list[tuple[ReadIndex, Read]]) -> Batch:
    positions = torch.tensor([each.position for _, each in items])
    visible = positions.repeat_interleave(COPIES).unsqueeze(1).expand(-1, 5)
    return Batch(clip, visible, positions, tuple(each.worker for _, each in items))


def schedule(done: int) -> list[list[ReadIndex]]:
    return [
        [ReadIndex(0, READS * number + i) for i in range(READS)] for number in range(done, BATCHES)
    ]


def batches(workers: int, group: int = 1, read: Any = read) -> Any:
    ring = BatchRing(FIELDS, workers, CPU)
    dataset = MicroBatchDataset(read, collate, ring, 0, Limits(), group)
    return iterate_micro_batches(dataset, ring, schedule, workers, lambda: False)


def is_whole(batch: Batch, number: int) -> bool:
    samples = torch.arange(number * READS * COPIES, (number + 1) * READS * COPIES)
    positions = samples // COPIES
    return (
        torch.equal(batch.clip, (samples % 251).byte().view(-1, 1, 1, 1, 1).expand_as(batch.clip))
        and torch.equal(batch.visible, positions.unsqueeze(1).expand(-1, 5))
        and torch.equal(batch.label, positions[::COPIES])
    )


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_a_batch_is_whole_until_the_next_but_one_is_taken(workers: int) -> None:
    taken: list[Batch] = []
    for number, batch in enumerate(batches(workers)):
        if workers:
            assert os.getpid() not in batch.workers
            time.sleep(0.005)  # in which the workers overwrite what they may
        assert is_whole(batch, number)
        if taken:
            assert is_whole(taken[-1], number - 1)
        taken.append(batch)
    assert len(taken) == BATCHES
    addresses = {batch.clip.data_ptr() for batch in taken}
    assert len(addresses) == num_slots(workers) == 2 * workers + 2  # bounded, and all are used
    assert not is_whole(taken[0], 0)


def test_clips_of_two_reads_alternate_by_option() -> None:
    first = next(batches(0, group=2))
    assert first.clip[:, 0, 0, 0, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_a_read_without_clips_leaves_the_batch_short() -> None:
    def failing(position: int, rng: Any, timed_out: Any, limit: Any, out: Tensor) -> Read:
        return read(position, rng, timed_out, limit, out)._replace(clips=out[: position != 2])

    assert len(next(batches(1, read=failing)).clip) == 0


def test_a_worker_that_is_killed_ends_the_batches_in_one_line() -> None:
    def killed(position: int, *others: Any) -> Read:
        if position == 9:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(position, *others)

    with pytest.raises(WorkerLost, match=r"^data.workers: a loader worker ended \(SIGKILL\); "):
        list(batches(1, read=killed))


@pytest.mark.parametrize("status", [0, 2])
def test_the_memory_is_pinned_once_and_returned(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    calls: list[Any] = []

    def register(address: int, size: int, flags: int) -> int:
        calls.append((address, size, flags))
        return status

    machine = SimpleNamespace(cudaHostRegister=register, cudaHostUnregister=calls.append)
    monkeypatch.setattr(torch.cuda, "cudart", lambda: machine)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: calls.append("synchronize"))
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor + 0)
    size = num_slots(3) * (64 * 7 + 64 * 5)  # 432 bytes of clips, 320 of tokens
    if status:
        with pytest.raises(
            NoBatchMemory, match=r"cannot be had \(pinning failed with CUDA error 2"
        ):
            BatchRing(FIELDS, 3, torch.device("cuda", 0))
        return
    ring = BatchRing(FIELDS, 3, torch.device("cuda", 0))
    address = ring.slot(0)["clip"].data_ptr()
    assert calls == [(address, size, 0)]
    slots = [ring.slot(number) for number in range(num_slots(3))]
    assert ring.slot(num_slots(3))["clip"].data_ptr() == address
    assert slots[-1]["visible"].data_ptr() + 8 * 5 * 8 <= address + size
    del ring
    assert calls[1:] == ["synchronize", address]


def test_memory_that_cannot_be_had_is_one_line() -> None:
    fields = {"clip": FieldSpec((1 << 46,), torch.uint8)}
    with pytest.raises(NoBatchMemory, match=r"^data.workers: 524288.00 GiB of .* cannot be had \("):
        BatchRing(fields, 3, CPU)
