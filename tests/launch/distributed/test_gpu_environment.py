"""What the environment says of GPUs."""

from pathlib import Path

import pytest

from launch.distributed.gpu_environment import (
    count_gpus,
    gpu_evidence,
    is_cpu_chosen,
    visible_gpus,
)

LISTING = """GPU 0: NVIDIA A100 (UUID: GPU-1)
  MIG 3g.20gb     Device  0: (UUID: MIG-1)
  MIG 3g.20gb     Device  1: (UUID: MIG-2)
GPU 1: NVIDIA A100 (UUID: GPU-2)
"""


@pytest.fixture
def dev(tmp_path: Path) -> Path:
    """The device files of a machine with two GPUs."""
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("value", "visible"),
    [
        ("6,7", ["6", "7"]),
        (" 6, 7 ", ["6", "7"]),
        ("GPU-8932f937, GPU-46b12a4f", ["GPU-8932f937", "GPU-46b12a4f"]),
        ("MIG-fc2b3c", ["MIG-fc2b3c"]),
        ("0,-1,1", ["0"]),
        ("", []),
        ("NoDevFiles", []),
    ],
)
def test_visible_gpus_are_read_as_cuda_reads_them(value: str, visible: list[str]) -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": value}) == visible
    assert visible_gpus({}) is None


@pytest.mark.parametrize(
    ("environment", "chosen"),
    [
        ({"CUDA_VISIBLE_DEVICES": ""}, True),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, True),
        ({"CUDA_VISIBLE_DEVICES": "-1,-1"}, True),
        ({"DS_ACCELERATOR": "cpu"}, True),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, False),  # SLURM, in a job without GPUs
        ({"CUDA_VISIBLE_DEVICES": "0"}, False),
        ({}, False),
    ],
)
def test_the_cpu_is_chosen_by_a_variable(environment: dict[str, str], chosen: bool) -> None:
    assert is_cpu_chosen(environment) is chosen


def test_what_says_that_there_is_a_gpu(dev: Path, tmp_path: Path) -> None:
    none = tmp_path / "none"
    assert gpu_evidence({}, dev) == f"{dev}/nvidia0 exists"
    assert gpu_evidence({}, none) == ""
    assert gpu_evidence({"CUDA_VISIBLE_DEVICES": "2"}, none) == "CUDA_VISIBLE_DEVICES=2"
    # deepspeed's launcher numbers processes on CPU cores like GPUs
    launched = {"CUDA_VISIBLE_DEVICES": "0,1", "LOCAL_SIZE": "2"}
    assert gpu_evidence(launched, none) == ""
    named = launched | {"CUDA_VISIBLE_DEVICES": "6,7"}
    assert gpu_evidence(named, none) == "CUDA_VISIBLE_DEVICES=6,7"
    granted = {"SLURM_JOB_ID": "7", "SLURM_GPUS_ON_NODE": "4"}
    assert gpu_evidence(granted, none) == "SLURM_GPUS_ON_NODE=4"
    assert gpu_evidence({"SLURM_GPUS_ON_NODE": "0"}, none) == ""


def test_gpus_are_counted_without_their_parts(
    dev: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert count_gpus(dev) == 2 and count_gpus(tmp_path / "none") == 0
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n[ $1 = --list-gpus ] && printf '{LISTING}'\n")
    program.chmod(0o755)
    assert count_gpus(tmp_path / "none") == 2
    program.write_text("#!/bin/sh\necho 'Driver/library version mismatch'; exit 18\n")
    assert count_gpus(dev) == 2
