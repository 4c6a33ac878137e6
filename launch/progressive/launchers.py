"""How a stage is started: one process directly, several by deepspeed, those of a job by srun."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import NamedTuple

from launch.progressive.chain import Chain, ChainError, Stage


class LaunchCommand(NamedTuple):
    """A command, and where the processes of its program are."""

    command: list[str]
    processes: int | None  # None: the tasks of the allocation
    levels: int = 0  # generations from the command's process to the program's processes
    end_signal: str = "KILL"  # to all of them, if the chain is killed


def launch_command(
    stage: Stage, chain: Chain, environment: Mapping[str, str], machine_gpus: int
) -> LaunchCommand:
    """How a stage is started here; one without a recipe is always a single process.

    Raises ChainError if it needs more GPUs than CUDA_VISIBLE_DEVICES has, or if these have names
    that deepspeed does not accept.
    """
    program = ["-u", "-m", *stage.command]
    count = 1 if stage.recipe is None else stage.processes or chain.processes
    if is_allocation(environment):
        tasks = ["--nodes=1", "--ntasks=1", "--ntasks-per-node=1"] if stage.recipe is None else []
        # a process that fails says why, then ends the others; --wait is for one that is killed
        srun = ["srun", "--kill-on-bad-exit=0", "--wait=120", *tasks]
        processes = 1 if stage.recipe is None else None
        # srun forwards SIGTERM to its tasks; a killed srun leaves them running
        return LaunchCommand([*srun, sys.executable, *program], processes, end_signal="TERM")
    visible = visible_gpus(environment) if machine_gpus else None
    count = count or (machine_gpus if visible is None else len(visible)) or 1
    if count == 1:
        return LaunchCommand([sys.executable, *program], 1)
    if visible and count > len(visible):
        raise ChainError(
            f"{stage.name}: {count} processes, but CUDA_VISIBLE_DEVICES has {len(visible)} GPUs; "
            "change either"
        )
    if names := [word for word in visible or () if not word.isdecimal()]:
        raise ChainError(
            f"{stage.name}: {count} processes, but CUDA_VISIBLE_DEVICES has {names[0]!r} and "
            "deepspeed accepts numbers only; use the GPUs' numbers, or set processes to 1"
        )
    # given a number, deepspeed takes the first GPUs of the machine, even if they are not visible
    gpus = ["--include", f"localhost:{','.join(visible[:count])}"] if visible else []
    gpus = gpus or ["--num_accelerators", str(count)]
    port = environment.get("MASTER_PORT") or str(_free_port())
    runner = [sys.executable, "-m", "deepspeed.launcher.runner", *gpus, "--master_port", port]
    return LaunchCommand([*runner, "--no_local_rank", "--module", *stage.command], count, levels=2)


def is_allocation(environment: Mapping[str, str]) -> bool:
    """Whether this process owns a SLURM allocation, and is not itself a task of one."""
    return "SLURM_JOB_ID" in environment and "SLURM_STEP_ID" not in environment


def visible_gpus(environment: Mapping[str, str]) -> list[str] | None:
    """The numbers or names in CUDA_VISIBLE_DEVICES; None if it is not set."""
    value = environment.get("CUDA_VISIBLE_DEVICES")
    if value is None:
        return None
    words = [word.strip() for word in value.split(",")]
    return [word for word in words if word.isdecimal() or word.startswith(("GPU-", "MIG-"))]


def count_gpus() -> int:
    """The GPUs of this machine, from nvidia-smi: the chain itself must not occupy one."""
    if not shutil.which("nvidia-smi"):
        return 0
    done = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True)
    return len(done.stdout.splitlines()) if done.returncode == 0 else 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
