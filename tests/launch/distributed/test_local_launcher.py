"""Processes on the visible GPUs of a machine, under DeepSpeed's launcher."""

import subprocess
import sys
from pathlib import Path

import pytest

from launch.distributed.local_launcher import choose_devices
from launch.errors import ConfigError
from tests.conftest import HANG_LIMIT, ROOT, free_port, launcher_free_environment

UUIDS = ["GPU-8932f937-d72c", "GPU-46b12a4f-11aa"]
MIG = "MIG-fc2b3c,MIG-aa11bb"


@pytest.mark.parametrize(
    ("processes", "visible", "machine_gpus", "devices"),
    [
        (None, None, 8, [str(index) for index in range(8)]),
        (2, None, 8, ["0", "1"]),
        (None, "6,7", 8, ["6", "7"]),
        (1, "6,7", 8, ["6"]),
        (None, ",".join(UUIDS), 8, UUIDS),
        (None, MIG, 1, ["MIG-fc2b3c"]),
        (3, "", 8, ["-1"] * 3),
        (None, "-1", 8, ["-1"]),
        (3, None, 0, ["-1"] * 3),
        (None, "5", 0, ["5"]),  # the process finds out that it is not there
    ],
)
def test_each_process_gets_a_visible_gpu(
    processes: int | None, visible: str | None, machine_gpus: int, devices: list[str]
) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert choose_devices(processes, environment, machine_gpus) == devices


@pytest.mark.parametrize(
    ("processes", "visible", "line"),
    [
        (3, None, "GPUs: 3 processes, but this machine has 2; start 2, show more, or choose the"),
        (3, "6,7", "3 processes, but CUDA_VISIBLE_DEVICES=6,7 shows 2; start 2, show more, or"),
        (2, MIG, f"2 processes, but CUDA_VISIBLE_DEVICES={MIG} shows 1; start 1"),
        (
            None,
            "NoDevFiles",
            "1 process, but CUDA_VISIBLE_DEVICES=NoDevFiles shows 0; show one, or",
        ),
    ],
)
def test_more_processes_than_gpus_are_refused(
    processes: int | None, visible: str | None, line: str
) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    with pytest.raises(ConfigError, match=line):
        choose_devices(processes, environment, 2)


PROGRAM = """
import os
from pathlib import Path
names = ("LOCAL_RANK", "WORLD_SIZE", "CUDA_VISIBLE_DEVICES")
Path(os.environ["RANK"]).write_text(" ".join(os.environ[name] for name in names))
"""


def run_local(folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """local.sh with a program that writes what it got into a file of its rank."""
    (folder / "show.py").write_text(PROGRAM)
    base = launcher_free_environment()
    base["PATH"] = f"{Path(sys.executable).parent}:{base['PATH']}"
    del base["DS_ACCELERATOR"]
    return subprocess.run(
        [str(ROOT / "launch/local.sh"), "show"],
        cwd=folder,
        env=base | {"MASTER_PORT": str(free_port())} | environment,
        capture_output=True,
        text=True,
        timeout=HANG_LIMIT,
    )


@pytest.mark.parametrize(
    ("environment", "visible"),
    [
        ({"CUDA_VISIBLE_DEVICES": "6,7"}, "6,7"),
        ({"CUDA_VISIBLE_DEVICES": ",".join(UUIDS)}, ",".join(UUIDS)),
        ({"CUDA_VISIBLE_DEVICES": "", "PROCESSES": "2"}, "-1,-1"),
    ],
)
def test_local_sh_keeps_the_subset(
    tmp_path: Path, environment: dict[str, str], visible: str
) -> None:
    done = run_local(tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / rank).read_text() for rank in "01"] == [f"0 2 {visible}", f"1 2 {visible}"]


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        (
            {"CUDA_VISIBLE_DEVICES": "6,7", "PROCESSES": "3"},
            "local.sh: GPUs: 3 processes, but CUDA_VISIBLE_DEVICES=6,7 shows 2; start 2, ",
        ),
        ({"PROCESSES": "two"}, "local.sh: environment variable PROCESSES: 'two' is not a number"),
    ],
)
def test_local_sh_refuses_in_one_line(
    tmp_path: Path, environment: dict[str, str], line: str
) -> None:
    done = run_local(tmp_path, **environment)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(line) and done.stderr.count("\n") == 1
