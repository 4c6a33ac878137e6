"""Memory that loader workers share with their training process, filled in place."""

import weakref
from collections.abc import Mapping
from math import prod
from mmap import mmap
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

Batch = TypeVar("Batch")
PREFETCHED = 2  # micro-batches that each loader worker has ready or reads
HELD = 2  # micro-batches that the training process may use: the last two that it took
ALIGNMENT = 64  # bytes


class NoBatchMemory(OSError):
    """The memory of the micro-batches cannot be had, or not be pinned."""

    exit_status = 2

    def __init__(self, size: int, reason: str | None) -> None:
        super().__init__(
            f"data.workers: {size / 2**30:.2f} GiB of micro-batches cannot be had ({reason}); "
            "lower data.workers or batch.micro_batch_size"
        )


class FieldSpec(NamedTuple):
    """A tensor of a micro-batch."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


def num_slots(workers: int) -> int:
    """Micro-batches that a ring has room for; one that is taken frees that before the last."""
    return PREFETCHED * workers + HELD


class BatchRing:
    """Room for `num_slots` micro-batches, used in turn; pinned once where they go to a GPU.

    Worker processes that are forked afterwards fill the slots; only what is not in `fields` is sent
    to the training process. The memory is anonymous: /dev/shm may be of any size. The tensors of a
    micro-batch are overwritten when the next but one is taken from the loader.
    """

    def __init__(self, fields: Mapping[str, FieldSpec], workers: int, device: torch.device) -> None:
        """Raises NoBatchMemory."""
        self._fields, self._slots = fields, num_slots(workers)
        self._slot_bytes = sum(_aligned(field.nbytes) for field in fields.values())
        size = self._slots * self._slot_bytes
        try:
            self._memory = torch.frombuffer(mmap(-1, size), dtype=torch.uint8)
        except OSError as error:
            raise NoBatchMemory(size, error.strerror) from None
        self._is_pinned = device.type == "cuda"
        if self._is_pinned:
            address, cuda = self._memory.data_ptr(), torch.cuda.cudart()
            status = cuda.cudaHostRegister(address, size, 0)
            if int(status):
                raise NoBatchMemory(size, f"pinning failed with CUDA error {int(status)}")
            # before the memory is returned, since its address could not be pinned again
            weakref.finalize(self, _unpin, self._memory, device).atexit = False

    def slot(self, number: int) -> dict[str, Tensor]:
        """The tensors of a micro-batch by its number; their contents are what was written last."""
        tensors, first = {}, number % self._slots * self._slot_bytes
        for name, field in self._fields.items():
            flat = self._memory[first : first + field.nbytes].view(field.dtype)
            tensors[name] = flat.view(field.shape)
            first += _aligned(field.nbytes)
        return tensors

    def put(self, number: int, batch: Batch) -> Batch:
        """In a worker: what to send of a NamedTuple, whose tensors are written into the slot."""
        sent: dict[str, Any] = {}
        for name, place in self.slot(number).items():
            tensor = getattr(batch, name)
            if tensor.data_ptr() != place.data_ptr():  # else it was made in its place
                place[: len(tensor)].copy_(tensor)
            sent[name] = len(tensor)
        for name, value in cast(Any, batch)._asdict().items():
            if isinstance(value, Tensor) and name not in sent:
                sent[name] = value.numpy()  # a tensor would be sent through a file in /dev/shm
        return cast(Batch, cast(Any, batch)._replace(**sent))

    def take(self, number: int, sent: Batch) -> Batch:
        """In the training process: the micro-batch, with views of the slot."""
        whole: dict[str, Any] = {
            name: place[: getattr(sent, name)] for name, place in self.slot(number).items()
        }
        for name, value in cast(Any, sent)._asdict().items():
            if isinstance(value, np.ndarray):
                tensor = torch.from_numpy(value)
                whole[name] = tensor.pin_memory() if self._is_pinned else tensor
        return cast(Batch, cast(Any, sent)._replace(**whole))


def _aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def _unpin(memory: Tensor, device: torch.device) -> None:
    torch.cuda.synchronize(device)  # copies may be under way
    torch.cuda.cudart().cudaHostUnregister(memory.data_ptr())
