"""The allocator of GPU memory; no GPU is needed."""

import os
import subprocess
import sys

import pytest
import torch

from launch.distributed.device import require_working
from launch.distributed.gpu_allocator import EXPANDABLE, NAMES, SETTING, use_expandable_segments
from launch.errors import ConfigError
from tests.conftest import ROOT, launcher_free_environment
from tests.launch.distributed.gpu_machine import install_machine

PROGRAM = """
import os
import torch
from launch.distributed.gpu_allocator import use_expandable_segments
torch.cuda.is_available()
use_expandable_segments(os.environ)
print(torch._C._accelerator_getAllocatorSettings())
"""


@pytest.mark.skipif(
    not hasattr(torch._C, "_accelerator_getAllocatorSettings"),
    reason="this PyTorch does not say its settings",
)
def test_the_installed_torch_reads_the_variable_after_its_import() -> None:
    environment = {
        name: value for name, value in launcher_free_environment().items() if name not in NAMES
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout == f"{EXPANDABLE}\n", done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_what_the_user_has_set_stays(name: str) -> None:
    environment = {name: "max_split_size_mb:64"}
    use_expandable_segments(environment)
    assert environment == {name: "max_split_size_mb:64"}


def test_a_gpu_gets_the_setting_before_its_first_allocation_and_a_cpu_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    machine = install_machine(monkeypatch, ["uuid-0"])
    found: list[str | None] = []
    monkeypatch.setattr(
        torch.cuda, "synchronize", lambda device: found.append(os.environ.get(SETTING))
    )
    require_working(torch.device("cpu"))
    assert SETTING not in os.environ
    require_working(torch.device("cuda", 0))
    assert machine.current == [0] and found == [EXPANDABLE]


@pytest.mark.parametrize("reason", ["operation not supported", "unknown error"])
def test_a_gpu_without_virtual_memory_is_told_the_setting(
    monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    monkeypatch.setenv(SETTING, EXPANDABLE)
    install_machine(monkeypatch, ["uuid-0"])

    def allocate(*size: int, device: torch.device) -> None:
        raise RuntimeError(f"CUDA driver error: {reason}")

    monkeypatch.setattr(torch, "ones", allocate)
    with pytest.raises(
        ConfigError, match="set PYTORCH_ALLOC_CONF=expandable_segments:False, which"
    ):
        require_working(torch.device("cuda", 0))
