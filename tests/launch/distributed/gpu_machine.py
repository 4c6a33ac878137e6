"""A machine with GPUs, as PyTorch shows it to a process; none is needed."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import pytest
import torch

BROKEN = "CUDA error: uncorrectable ECC error encountered\nCUDA kernel errors might be reported"


class _Properties(NamedTuple):
    uuid: str


class GpuMachine:
    """Replaces what PyTorch asks of CUDA by the answers of a machine with some GPUs.

    `uuids` are those of the visible GPUs; computing on one of `broken` fails.
    """

    def __init__(self, uuids: Sequence[str], broken: Collection[int] = ()) -> None:
        self.current: list[int] = []  # the GPUs that were selected
        self._uuids, self._broken, self._ones = uuids, broken, torch.ones

    def install(self, set_attribute: Callable[[Any, str, Any], None] = setattr) -> None:
        set_attribute(torch, "ones", self._make_ones)
        for name in ("is_available", "device_count", "set_device", "synchronize"):
            set_attribute(torch.cuda, name, getattr(self, name))
        set_attribute(torch.cuda, "get_device_properties", self._properties)

    def is_available(self) -> bool:
        return bool(self._uuids)

    def device_count(self) -> int:
        return len(self._uuids)

    def set_device(self, device: Any) -> None:
        index = torch.device(device).index if not isinstance(device, int) else device
        if index >= len(self._uuids):
            raise RuntimeError("CUDA error: invalid device ordinal")
        self.current.append(index)

    def synchronize(self, device: Any = None) -> None:
        if self.current[-1] in self._broken:
            raise RuntimeError(BROKEN)

    def _make_ones(self, *size: Any, device: Any = None, **options: Any) -> Any:
        on_gpu = device is not None and torch.device(device).type == "cuda"
        return (
            self._ones(*size, **options) if on_gpu else self._ones(*size, device=device, **options)
        )

    def _properties(self, device: Any) -> _Properties:
        return _Properties(self._uuids[torch.device(device).index])


def install_machine(
    monkeypatch: pytest.MonkeyPatch, uuids: Sequence[str], broken: Collection[int] = ()
) -> GpuMachine:
    """Until the test ends."""
    machine = GpuMachine(uuids, broken)
    machine.install(monkeypatch.setattr)
    return machine
