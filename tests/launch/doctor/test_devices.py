"""Checks of GPUs, on machines that have some, as PyTorch would show them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from launch.distributed.process_group import Processes
from launch.doctor.check_result import Place
from launch.doctor.devices import devices, driver
from tests.launch.distributed.gpu_machine import BROKEN, GpuMachine
from tests.launch.doctor.places import ALONE

GIB = 2**30
UUIDS = [f"0000-{index}" for index in range(8)]


class Node(GpuMachine):
    """A machine with GPUs of which CUDA_VISIBLE_DEVICES chooses some; `free` in GiB."""

    def __init__(self, broken: Sequence[int], free: dict[int, float], wrong: int = -1) -> None:
        super().__init__(UUIDS)
        self._sick, self._free, self._wrong = broken, free, wrong

    def install(self, set_attribute: Any = setattr) -> None:
        super().install(set_attribute)
        set_attribute(torch.cuda, "mem_get_info", self._memory)
        set_attribute(torch.cuda, "get_device_name", lambda _: "NVIDIA H100 80GB HBM3")

    def _shown(self) -> list[int]:
        chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
        return [int(word) for word in chosen.split(",")] if chosen else list(range(8))

    def device_count(self) -> int:
        return len(self._shown())

    def synchronize(self, device: Any = None) -> None:
        if self._shown()[self.current[-1]] in self._sick:
            raise RuntimeError(BROKEN)

    def _memory(self, device: torch.device) -> tuple[int, int]:
        index = self._shown()[device.index]
        return int(self._free.get(index, 79.0) * GIB), 80 * GIB

    def _make_ones(self, *size: Any, device: Any = None, **options: Any) -> Any:
        made = super()._make_ones(*size, device=device, **options)
        is_wrong = size[0] > 8 and self._wrong in self._shown()[:1]
        return made * 1.0001 if is_wrong else made


@pytest.fixture(autouse=True)
def all_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "DS_ACCELERATOR"):
        monkeypatch.delenv(name, raising=False)


def test_one_sick_gpu_of_eight_is_named_and_the_others_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Node(broken=[5], free={2: 61.0}).install(monkeypatch.setattr)
    found = devices(ALONE)
    assert found.verdict == "failed"
    assert found.figure.startswith("7 x NVIDIA H100 80GB HBM3, 61.0 of 80.0 GiB free on GPU 2")
    assert found.figure.endswith(
        "GPU 5: does not work (CUDA error: uncorrectable ECC error encountered)"
    )
    assert "CUDA_VISIBLE_DEVICES=0,1,2,3,4,6,7" in found.cure
    assert found.values["sick"] == "5"


def test_a_gpu_that_computes_wrongly_is_sick(monkeypatch: pytest.MonkeyPatch) -> None:
    Node(broken=[], free={}, wrong=3).install(monkeypatch.setattr)
    found = devices(ALONE)
    assert found.verdict == "failed" and "GPU 3: a product is" in found.figure


def test_memory_that_others_hold_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    Node(broken=[], free={6: 3.0}).install(monkeypatch.setattr)
    found = devices(ALONE)
    assert found.verdict == "warning" and found.cure.startswith("GPU 6: ")
    assert found.figure == "8 x NVIDIA H100 80GB HBM3, 3.0 of 80.0 GiB free on GPU 6, the least"


def test_only_the_chosen_gpus_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    Node(broken=[5], free={}).install(monkeypatch.setattr)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6,7")
    assert devices(ALONE).verdict == "ok"
    assert devices(ALONE).figure.startswith("2 x NVIDIA H100")


def test_below_a_launcher_each_process_tries_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    Node(broken=[5], free={}).install(monkeypatch.setattr)
    verdicts = [
        devices(Place(Processes(rank, 8, rank, 8, "torchrun", "n1:1"), "n1", 20)).verdict
        for rank in range(8)
    ]
    assert verdicts == ["ok"] * 5 + ["failed"] + ["ok"] * 2


def test_a_machine_without_gpus_is_fine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert (devices(ALONE).verdict, devices(ALONE).figure) == ("ok", "CPU")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert driver(ALONE, tmp_path).figure == "no NVIDIA driver: runs use CPU cores"


@pytest.mark.parametrize(
    ("version", "verdict"), [("535.104.05", "failed"), ("580.65.06", "ok"), ("590.1", "ok")]
)
def test_an_old_driver_fails_with_what_torch_needs(
    version: str, verdict: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    file = tmp_path / "proc/driver/nvidia/version"
    file.parent.mkdir(parents=True)
    file.write_text(f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  Wed\nGCC 12.2.0\n")
    found = driver(ALONE, tmp_path)
    assert found.verdict == verdict and version in found.figure
    assert ("580.65" in found.figure and "update the driver" in found.cure) == (
        version[0:2] == "53"
    )
