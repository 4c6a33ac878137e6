"""Copies of batches to a GPU, one ahead of its computation."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

Batch = TypeVar("Batch")


def to_device(
    batches: Iterable[Batch], device: torch.device, fields: Sequence[str]
) -> Iterator[Batch]:
    """The same batches, NamedTuples, with the tensors of some fields on a device.

    A separate stream copies them to a GPU, one batch ahead: while the GPU computes on a batch, the
    next one is under way. A batch before the last that was taken may be overwritten.
    """
    if device.type != "cuda":
        yield from batches
        return
    copy_stream = torch.cuda.Stream(device)
    waiting: _Copy | None = None
    for batch in batches:
        with torch.cuda.stream(copy_stream):
            copies = {name: getattr(batch, name).to(device, non_blocking=True) for name in fields}
            done = torch.cuda.Event()
            done.record(copy_stream)
        if waiting is not None:
            yield waiting.ready(device)
            waiting.done.synchronize()  # a copy of long ago; taking the next overwrites its source
        waiting = _Copy(batch, copies, done)
    if waiting is not None:
        yield waiting.ready(device)


class _Copy(NamedTuple):
    """A batch, and its tensors on a device once `done` has happened."""

    batch: Any
    tensors: dict[str, Tensor]
    done: torch.cuda.Event

    def ready(self, device: torch.device) -> Any:
        """The batch on the device, for whose copy the device waits and the host does not."""
        compute_stream = torch.cuda.current_stream(device)
        compute_stream.wait_event(self.done)
        for tensor in self.tensors.values():
            tensor.record_stream(compute_stream)  # else its memory may be reused too early
        return self.batch._replace(**self.tensors)
