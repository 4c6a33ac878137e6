"""Memory that is free, in the files of a kernel and in real control groups."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from launch.capacity.free_memory import free_host_memory, free_shared_memory
from launch.distributed.process_group import Processes
from tests.conftest import ROOT

GIB = 2**30
CODE = (
    "from launch.capacity.free_memory import free_host_memory as free\n"
    "from launch.distributed.process_group import Processes\n"
    "print(*free(Processes()), sep='\\n')"
)


def machine(root: Path, cgroup: str, **groups: tuple[str, int, int]) -> Path:
    """A tree of `proc` and `sys`: 16 GiB free, 1 GiB resident, and groups with a limit, the bytes
    used and those of them that are cached; a group's name has __ for /."""
    own = root / "proc/self"
    own.mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemFree: 9 kB\nMemAvailable: {16 * 2**20} kB\n")
    (own / "statm").write_text(f"999999999 {GIB // os.sysconf('SC_PAGE_SIZE')} 5 1 0 9 0\n")
    (own / "cgroup").write_text(cgroup)
    for name, (limit, used, cached) in groups.items():
        v1 = name.startswith("memory")
        folder = root / "sys/fs/cgroup" / name.replace("__", "/")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ("memory.limit_in_bytes" if v1 else "memory.max")).write_text(f"{limit}\n")
        (folder / ("memory.usage_in_bytes" if v1 else "memory.current")).write_text(f"{used}\n")
        line = "total_inactive_file" if v1 else "inactive_file"
        (folder / "memory.stat").write_text(f"anon 1\n{line} {cached}\n")
    return root


@pytest.mark.parametrize(
    ("cgroup", "groups", "free", "limited_by"),
    [
        ("", {}, 16 * GIB, "memory of the machine"),
        ("0::/job/step\n", {"job": (str(4 * GIB), 3 * GIB, GIB)}, 2 * GIB, "job/memory.max"),
        ("0::/job\n", {"job": ("max", 3 * GIB, GIB)}, 16 * GIB, "memory of the machine"),
        ("0::/job\n", {"job": (str(99 * GIB), 0, 0)}, 16 * GIB, "memory of the machine"),
        ("0::/job\n", {"job": (str(GIB), 3 * GIB, GIB)}, 0, "job/memory.max"),
        (
            "5:devices:/x\n4:memory:/slurm/job\n1:cpu:/\n",
            {"memory__slurm": (str(3 * GIB), GIB, 0), "memory__slurm__job": (str(2**63), 0, 0)},
            2 * GIB,
            "slurm/memory.limit_in_bytes",
        ),
    ],
)
def test_the_smallest_limit_counts(
    tmp_path: Path, cgroup: str, groups: dict, free: int, limited_by: str
) -> None:
    root = machine(tmp_path, cgroup, **groups)
    found = free_host_memory(Processes(), root)
    assert found.size == free + GIB  # what the process has already counts as well
    assert found.limited_by.endswith(limited_by)
    assert free_host_memory(Processes(1, 4, 1, 2), root).size == free // 2 + GIB


def test_this_machine_has_memory() -> None:
    assert 2**20 < free_host_memory(Processes()).size < 2**50
    assert free_shared_memory() >= 0


def test_the_limit_of_a_real_control_group() -> None:
    group = Path("/sys/fs/cgroup/memory/surgmask-test")
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(3 * GIB))
    except OSError:
        pytest.skip("this user may not make a control group of version 1")
    try:
        join = f"open('{group}/cgroup.procs', 'w').write('0')\n"
        command = [sys.executable, "-c", f"{join}{CODE}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        size, limited_by = done.stdout.splitlines()
    finally:
        group.rmdir()
    assert GIB < int(size) < 4 * GIB
    assert limited_by == f"limit of control group {group}/memory.limit_in_bytes"
