"""Checks of a host: cores, memory, shared memory, limits."""

import os
import resource
from pathlib import Path

from launch.capacity.free_memory import free_host_memory, free_shared_memory
from launch.distributed.process_group import Processes
from launch.doctor.check_result import Finding, Place, Verdict

GIB, MIB = 2**30, 2**20
CLIP_BYTES = 16 * 224 * 224 * 3
SHARED_LEAST = 2 * 8 * CLIP_BYTES  # one worker that keeps two micro-batches of 8 clips ready
SHARED_ENOUGH = 1 * GIB  # for a process: some workers with micro-batches of 64
HOST_ENOUGH = 4 * GIB  # for a process: torch, DeepSpeed and loader workers
GPU_CORES = 4  # of a process with a GPU: one trains, the others read
FILES_ALONE, FILES_FOR_EACH = 256, 4  # two gloo meshes, and on rank 0 two store clients


def cores(place: Place) -> Finding:
    """The cores on which this process may run, of those that it shares with others."""
    count = usable_cores(place.processes)
    values = {"cores": round(count, 2)}
    figure = f"{count:.3g} for each process"
    if count < 1:
        cure = "start fewer processes, or ask for more cores (srun --cpus-per-task)"
        return Finding("warning", figure, cure, values, score=count)
    if place.on_gpu and count < GPU_CORES:
        cure = (
            f"give each GPU {GPU_CORES} cores or more (srun --cpus-per-task, docker --cpus): one "
            "trains, the others read recordings"
        )
        return Finding("warning", figure, cure, values, score=count)
    return Finding("ok", figure, "", values, score=count)


def usable_cores(processes: Processes, root: Path = Path("/")) -> float:
    """The cores of a process: by its binding, the limit of its control group, and its share."""
    bound = os.environ.get("SLURM_CPUS_PER_TASK", "") if processes.launcher == "srun" else ""
    if bound.isdigit():
        return float(min(int(bound), len(os.sched_getaffinity(0))))
    allowed = min(len(os.sched_getaffinity(0)), _control_group_cores(root))
    return allowed / processes.local_world_size


def _control_group_cores(root: Path) -> float:
    """As docker run --cpus sets them; infinite without a limit."""
    try:
        quota, period = (root / "sys/fs/cgroup/cpu.max").read_text().split()
        return float("inf") if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):  # version 1 of control groups
        folder = root / "sys/fs/cgroup/cpu"
    try:
        quota_us = int((folder / "cpu.cfs_quota_us").read_text())
        period_us = int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return float("inf")
    return quota_us / period_us if quota_us > 0 else float("inf")


def host_memory(place: Place) -> Finding:
    """The share of this process in the free memory of its host."""
    free = free_host_memory(place.processes)
    figure = f"{free.size / GIB:.1f} GiB free for each process ({free.limited_by})"
    values = {"free_bytes": free.size}
    if free.size < HOST_ENOUGH:
        cure = "end other programs, ask for more (srun --mem), or start fewer processes"
        return Finding("warning", figure, cure, values, score=free.size)
    return Finding("ok", figure, "", values, score=free.size)


def shared_memory(place: Place) -> Finding:
    """/dev/shm, through which evaluation gets its windows from the workers, and NCCL talks."""
    try:
        free, status = free_shared_memory(), os.statvfs("/dev/shm")
    except OSError as error:
        cure = "mount a tmpfs there, or set data.workers=0"
        return Finding("failed", f"/dev/shm: {error.strerror}", cure)
    total = status.f_blocks * status.f_frsize
    share = free / place.processes.local_world_size
    verdict: Verdict = "ok"
    if share < SHARED_ENOUGH:
        verdict = "failed" if share < SHARED_LEAST else "warning"
    wanted = max(8, 2 * place.processes.local_world_size)
    cure = f"docker run --shm-size={wanted}g, mount -o remount,size={wanted}G /dev/shm, "
    return Finding(
        verdict,
        f"/dev/shm has {size_text(free)} free of {size_text(total)}",
        "" if verdict == "ok" else cure + "or fewer data.workers",
        {"free_bytes": free, "total_bytes": total},
        score=share,
    )


def size_text(count: float) -> str:
    """Bytes in GiB, or in MiB below 1 GiB."""
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / MIB:.0f} MiB"


def open_files(place: Place) -> Finding:
    """The limit on open files, of which connections are the most where processes are many.

    A run raises its soft limit to the hard one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES_ALONE + FILES_FOR_EACH * place.processes.world_size
    limit = float("inf") if hard == resource.RLIM_INFINITY else hard
    figure = f"limit {limit:,.0f} (a run raises {soft:,} to it), up to {needed:,} needed"
    values = {"limit": soft, "hard_limit": hard, "needed": needed}
    if limit < needed:
        cure = "raise nofile in /etc/security/limits.conf, or docker run --ulimit nofile"
        return Finding("failed", figure, cure, values, score=limit)
    return Finding("ok", figure, "", values, score=limit)
