"""Copies of tensors in one block of host memory, from which they are written."""

import weakref
from collections.abc import Mapping

import torch
from torch import Tensor

ALIGNMENT = 64  # bytes


class HostCopy:
    """One block, allocated at the first copy and used again for each further one.

    From a GPU the block is pinned as a whole, and the copies run at the speed of the bus. PyTorch's
    own pinned tensors would be a block each, rounded up to a power of two.
    """

    def __init__(self) -> None:
        self._block = torch.empty(0, dtype=torch.uint8)

    def copy(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The copies, complete; the next call overwrites them."""
        on_gpu = any(tensor.is_cuda for tensor in tensors.values())
        starts, end = dict[str, int](), 0
        for name, tensor in tensors.items():
            starts[name] = end
            end += -(-tensor.nbytes // ALIGNMENT) * ALIGNMENT
        if len(self._block) < end:
            self.release()
            self._block = _pinned(end) if on_gpu else torch.empty(end, dtype=torch.uint8)
        copies = {
            name: self._block[start : start + tensors[name].nbytes]
            .view(tensors[name].dtype)
            .view(tensors[name].shape)
            for name, start in starts.items()
        }
        for name, tensor in tensors.items():
            copies[name].copy_(tensor.detach(), non_blocking=on_gpu)
        if on_gpu:
            torch.cuda.synchronize()
        return copies

    def release(self) -> None:
        """Frees the block, once no copy is used any more."""
        self._block = torch.empty(0, dtype=torch.uint8)


def _pinned(size: int) -> Tensor:
    """A block that CUDA reaches directly; an ordinary one where the system refuses to pin it."""
    block = torch.empty(size, dtype=torch.uint8)
    cuda = torch.cuda.cudart()
    if int(cuda.cudaHostRegister(block.data_ptr(), size, 0)) == 0:
        storage = block.untyped_storage()
        weakref.finalize(storage, cuda.cudaHostUnregister, block.data_ptr())
    return block
