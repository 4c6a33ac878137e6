"""The memory that is free for a process: of its GPU, or of its machine and control groups."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from launch.distributed.process_group import Processes


class Free(NamedTuple):
    """Bytes that a process may have in all, with those that it has already."""

    size: int
    limited_by: str


class _Files(NamedTuple):
    """The files of a version of control groups."""

    folder: str
    limit: str
    used: str
    reclaimable: str  # the line of memory.stat: cached files, which the kernel drops first


V1 = _Files(
    "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
)
V2 = _Files("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")


def free_gpu_memory(processes: Processes) -> Free:
    """Of the GPU of this process."""
    free, _ = torch.cuda.mem_get_info(processes.device)
    return Free(free + torch.cuda.memory_reserved(processes.device), "memory of the GPU")


def free_host_memory(processes: Processes, root: Path = Path("/")) -> Free:
    """This process's equal share of what is free on its machine and in its control groups.

    `root` is the folder of `proc` and `sys`.
    """
    limits = [_machine(root), *_control_groups(root)]
    size, limited_by = min(limits)
    return Free(size // processes.local_world_size + _resident(root), limited_by)


def free_shared_memory() -> int:
    """Bytes that loader workers may still write for this process into shared memory."""
    status = os.statvfs("/dev/shm")
    return status.f_bavail * status.f_frsize


def _machine(root: Path) -> tuple[int, str]:
    lines = (root / "proc/meminfo").read_text().splitlines()
    values = dict(line.split(":") for line in lines)
    return 1024 * int(values["MemAvailable"].split()[0]), "memory of the machine"


def _resident(root: Path) -> int:
    pages = int((root / "proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _control_groups(root: Path) -> Iterator[tuple[int, str]]:
    """Bytes that are free in each group with a limit, from that of this process to the root's."""
    file = root / "proc/self/cgroup"
    for line in file.read_text().splitlines() if file.is_file() else []:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            files = V1 if controllers else V2
            group = Path(path)
            for each in (group, *group.parents):
                folder = root / files.folder / str(each).lstrip("/")
                free = _free_in_group(folder, files)
                if free is not None:
                    yield free, f"limit of control group {folder / files.limit}"


def _free_in_group(folder: Path, files: _Files) -> int | None:
    try:
        limit = (folder / files.limit).read_text().strip()
        used = int((folder / files.used).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except OSError:  # a container does not see the groups around it
        return None
    return None if limit == "max" else max(0, int(limit) - used + int(stat[files.reclaimable]))
