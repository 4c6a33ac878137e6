"""How a stage's processes are started: one alone, several under deepspeed, a job's under srun."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import NamedTuple

from launch.progressive.chain import Chain, Stage
from launch.progressive.yaml_lines import ChainError


class LaunchCommand(NamedTuple):
    """A command, and where its program's own processes are."""

    command: list[str]
    processes: int | None  # None: those of the allocation
    levels: int = 0  # generations from the command's process down to them


def launch_of(
    stage: Stage, chain: Chain, environment: Mapping[str, str], machine_gpus: int
) -> LaunchCommand:
    """How a stage is started here; one without a recipe is a single process everywhere.

    Raises ChainError where it is to have more processes than the user shows GPUs, or shows them by
    other names than deepspeed takes.
    """
    program = ["-u", "-m", *stage.command]
    count = 1 if stage.recipe is None else stage.processes or chain.processes
    if is_allocation(environment):
        tasks = ["--nodes=1", "--ntasks=1", "--ntasks-per-node=1"] if stage.recipe is None else []
        # a process that fails says why and ends the others; --wait is for what ends without a word
        srun = ["srun", "--kill-on-bad-exit=0", "--wait=120", *tasks]
        return LaunchCommand([*srun, sys.executable, *program], 1 if stage.recipe is None else None)
    shown = visible(environment) if machine_gpus else None
    count = count or (machine_gpus if shown is None else len(shown)) or 1
    if count == 1:
        return LaunchCommand([sys.executable, *program], 1)
    if shown and count > len(shown):
        raise ChainError(
            f"{stage.name}: {count} processes, and CUDA_VISIBLE_DEVICES shows {len(shown)} GPUs; "
            "change either"
        )
    if named := [word for word in shown or () if not word.isdecimal()]:
        raise ChainError(
            f"{stage.name}: {count} processes, and CUDA_VISIBLE_DEVICES shows {named[0]!r}, where "
            "deepspeed takes numbers; give those of the GPUs, or set processes to 1"
        )
    # told a number, deepspeed takes the first GPUs of the machine, whichever are visible
    where = ["--include", f"localhost:{','.join(shown[:count])}"] if shown else []
    where = where or ["--num_accelerators", str(count)]
    port = environment.get("MASTER_PORT") or str(_free_port())
    runner = [sys.executable, "-m", "deepspeed.launcher.runner", *where, "--master_port", port]
    return LaunchCommand([*runner, "--no_local_rank", "--module", *stage.command], count, levels=2)


def is_allocation(environment: Mapping[str, str]) -> bool:
    """Whether this process owns an allocation of SLURM, and is no task of one itself."""
    return "SLURM_JOB_ID" in environment and "SLURM_STEP_ID" not in environment


def visible(environment: Mapping[str, str]) -> list[str] | None:
    """The GPUs that a user has set apart, by number or name; None where all may be used."""
    said = environment.get("CUDA_VISIBLE_DEVICES")
    if said is None:
        return None
    words = [word.strip() for word in said.split(",")]
    return [word for word in words if word.isdecimal() or word.startswith(("GPU-", "MIG-"))]


def gpus() -> int:
    """Of this machine, asked of its driver: the chain itself must not hold one."""
    if not shutil.which("nvidia-smi"):
        return 0
    done = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True)
    return len(done.stdout.splitlines()) if done.returncode == 0 else 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
