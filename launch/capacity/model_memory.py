"""Memory of a model on one device, measured with tensors without data."""

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class ModelMemory(NamedTuple):
    """The memory of a model that does not depend on ZeRO."""

    parameters: int
    buffers: int  # bytes
    activations: int  # bytes of a clip at the peak: stored for the backward pass, and temporary


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all live tensors, and their peak."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.device.type != "meta":
                self._add(leaf.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._remove, key)

    def _remove(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


def measure_model_memory(
    model: nn.Module, precision: str, clips: int, step: Callable[[], object], on_gpu: bool
) -> ModelMemory:
    """The memory of a model on the device `meta` in a training step with so many clips.

    `step` runs forward and backward, and returns what is alive at the end of a micro-batch.
    """
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    model.to(dtype)
    values = sum(parameter.numel() for parameter in model.parameters())
    buffers = sum(buffer.numel() for buffer in model.buffers())

    def materialised_step() -> object:
        _materialise(model)
        return step()

    kernels = [SDPBackend.FLASH_ATTENTION] + ([] if on_gpu else [SDPBackend.MATH])
    with sdpa_kernel(kernels):
        peak = peak_bytes(materialised_step)
    activations = (peak - dtype.itemsize * (values + buffers)) // clips
    return ModelMemory(values, dtype.itemsize * buffers, activations)


def _materialise(model: nn.Module) -> None:
    """Replaces the tensors of a model by ones that LiveBytes counts; once."""
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if not isinstance(parameter, FakeTensor):
                counted = nn.Parameter(
                    torch.empty(parameter.shape, dtype=parameter.dtype), parameter.requires_grad
                )
                if parameter.requires_grad:
                    counted.register_post_accumulate_grad_hook(_drop_gradient)
                setattr(module, name, counted)
        for name, buffer in list(module.named_buffers(recurse=False)):
            if not isinstance(buffer, FakeTensor):
                setattr(module, name, torch.empty(buffer.shape, dtype=buffer.dtype))


def _drop_gradient(parameter: Tensor) -> None:
    parameter.grad = None  # gradients are counted by stage


def peak_bytes(step: Callable[[], object]) -> int:
    """Peak bytes of the tensors that `step` makes; they have no data.

    `step` runs twice, because tensors of one micro-batch are alive in the next.
    """
    with FakeTensorMode(), LiveBytes() as live:
        alive = step()
        alive = step()
        del alive
    return live.peak
