"""How a stage is started: one process directly, several by deepspeed, those of a job by srun."""

import socket
import sys
from collections.abc import Mapping
from typing import NamedTuple

from launch.distributed.local_launcher import choose_devices, launcher_command
from launch.errors import ConfigError
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

    Raises ChainError if it needs more GPUs than are visible.
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
    if count == 1:
        return LaunchCommand([sys.executable, *program], 1)
    try:
        devices = choose_devices(count, environment, machine_gpus)
    except ConfigError as error:
        raise ChainError(f"{stage.name}: {error}") from None
    if len(devices) == 1:
        return LaunchCommand([sys.executable, *program], 1)
    port = environment.get("MASTER_PORT") or str(_free_port())
    command = [*launcher_command(devices, port), *stage.command]
    return LaunchCommand(command, len(devices), levels=1)


def is_allocation(environment: Mapping[str, str]) -> bool:
    """Whether this process owns a SLURM allocation, and is not itself a task of one."""
    return "SLURM_JOB_ID" in environment and "SLURM_STEP_ID" not in environment


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
