"""The GPU of a process, on machines that PyTorch only believes to have."""

import os
import subprocess
import sys

import pytest
import torch

from launch.distributed.device import device_id, find_device, require_working
from launch.distributed.gpu_environment import gpu_evidence
from launch.errors import ConfigError
from tests.conftest import ROOT, launcher_free_environment
from tests.launch.distributed.gpu_machine import install_machine

FOUR = [f"uuid-{number}" for number in range(4)]
SLURM_JOB = {"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0"}


def test_all_visible_and_one_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    install_machine(monkeypatch, FOUR)
    found = [find_device(rank, {}) for rank in range(4)]
    assert found == [torch.device("cuda", rank) for rank in range(4)]
    assert device_id(found[3]) == "GPU-uuid-3"
    install_machine(monkeypatch, FOUR[3:])
    assert find_device(3, {}) == torch.device("cuda", 0)
    assert device_id(torch.device("cpu")) == "CPU"


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install_machine(monkeypatch, FOUR)
    with pytest.raises(ConfigError, match="local rank 4 has none, because 4 are visible; start 4"):
        find_device(4, {})


@pytest.mark.parametrize(
    "variable", [("CUDA_VISIBLE_DEVICES", ""), ("DS_ACCELERATOR", "cpu")], ids=lambda each: each[0]
)
def test_the_cpu_can_be_chosen(monkeypatch: pytest.MonkeyPatch, variable: tuple[str, str]) -> None:
    install_machine(monkeypatch, FOUR)
    assert find_device(0, dict([variable])) == torch.device("cpu")


@pytest.mark.parametrize(
    ("reason", "environment", "told"),
    [
        (
            "The NVIDIA driver on your system is too old (found version 11040). Please update it.",
            {"CUDA_VISIBLE_DEVICES": "0,1"},
            r"CUDA_VISIBLE_DEVICES=0,1, but PyTorch \S+ cannot use one \(The NVIDIA driver on your "
            r"system is too old \(found version 11040\)\); update the driver, or install a torch",
        ),
        (
            "Torch not compiled with CUDA enabled",
            SLURM_JOB,
            "this job asked for none: .*--gpus-per",
        ),
        (
            "Torch not compiled with CUDA enabled",
            {"SLURM_JOB_ID": "7", "SLURM_GPUS": "8"},
            "SLURM_GPUS=8, but .*install a torch with CUDA; or choose the CPU with CUDA_VIS",
        ),
        ("system not yet initialized", {"CUDA_VISIBLE_DEVICES": "0"}, "look at nvidia-smi"),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_no_run_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, reason: str, environment: dict[str, str], told: str
) -> None:
    def fail() -> None:
        raise RuntimeError(reason)

    install_machine(monkeypatch, [])
    monkeypatch.setattr(torch.cuda, "init", fail)
    with pytest.raises(ConfigError, match=told):
        find_device(0, environment)


def test_without_any_sign_of_a_gpu_the_cpu_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    install_machine(monkeypatch, [])
    if gpu_evidence({}):
        pytest.skip("this machine has a GPU")
    assert find_device(0, {}) == torch.device("cpu")


def test_a_gpu_that_fails_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTORCH_ALLOC_CONF", "")
    machine = install_machine(monkeypatch, FOUR, broken={2})
    require_working(torch.device("cuda", 1))
    with pytest.raises(ConfigError, match=r"cuda:2: does not work \(CUDA error: uncorrectable"):
        require_working(torch.device("cuda", 2))
    assert machine.current == [1, 2]
    require_working(torch.device("cpu"))


def test_a_run_is_refused_in_one_line_where_its_gpu_cannot_be_used() -> None:
    environment = launcher_free_environment() | {"CUDA_VISIBLE_DEVICES": "99"}
    del environment["DS_ACCELERATOR"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith("run: GPUs: ") and done.stderr.count("\n") == 1, done.stderr


PROGRAM = """
import os
from launch.distributed.process_group import detect_processes, init_process_group
from launch.entrypoint import run_program
raise SystemExit(run_program("run", lambda: init_process_group(detect_processes(os.environ), 60)))
"""

ONE_VISIBLE = """
import os
import torch
from torch import distributed as dist
from launch.distributed.process_group import Processes, init_process_group
from tests.launch.distributed.gpu_machine import GpuMachine
machine = GpuMachine(["uuid-3"])
machine.install()
create = dist.init_process_group
dist.init_process_group = lambda backend, **rest: create("gloo", **rest)  # nccl needs a GPU
init_process_group(Processes(local_rank=3, local_world_size=4), 60)
from deepspeed.accelerator import get_accelerator
get_accelerator().set_device(int(os.environ["LOCAL_RANK"]))  # as its engine does
print(os.environ["LOCAL_RANK"], machine.current)
"""


def test_deepspeed_selects_the_only_visible_gpu_on_every_local_rank() -> None:
    environment = launcher_free_environment() | {"DS_ACCELERATOR": "cuda"}
    done = subprocess.run(
        [sys.executable, "-c", ONE_VISIBLE],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1:] == ["0 [0, 0]"], done.stderr


def test_tests_and_their_processes_use_no_gpu_without_the_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install_machine(monkeypatch, FOUR)
    assert find_device(0, os.environ) == find_device(0, launcher_free_environment())
    assert find_device(0, os.environ) == torch.device("cpu")


@pytest.mark.gpu
def test_a_test_with_the_mark_uses_them(monkeypatch: pytest.MonkeyPatch) -> None:
    install_machine(monkeypatch, FOUR)
    assert find_device(0, os.environ) == torch.device("cuda", 0)
