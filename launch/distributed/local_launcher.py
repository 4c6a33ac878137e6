"""Processes on this machine under DeepSpeed's launcher; launch/local.sh runs this module.

DeepSpeed's own front end ignores and deletes CUDA_VISIBLE_DEVICES where a number of processes is
given, and knows no UUIDs. Its launcher of one machine, which is used here, takes any names.
"""

import base64
import json
import os
import sys
from collections.abc import Mapping, Sequence

from launch.distributed.gpu_environment import (
    ON_CPU,
    VISIBLE,
    count_gpus,
    gpu_evidence,
    is_cpu_chosen,
    visible_gpus,
)
from launch.entrypoint import run_program
from launch.errors import ConfigError

CPU = "-1"  # in CUDA_VISIBLE_DEVICES: no GPU


def choose_devices(
    processes: int | None, environment: Mapping[str, str], machine_gpus: int
) -> list[str]:
    """The index or name of a GPU for each process, or CPU; by default as many as GPUs are visible.

    Raises ConfigError if there are more processes than GPUs.
    """
    visible = visible_gpus(environment)
    if is_cpu_chosen(environment) or (
        visible is None and machine_gpus == 0 and not gpu_evidence(environment)
    ):
        return [CPU] * (processes or 1)
    if visible is None:
        gpus = [str(index) for index in range(max(1, machine_gpus))]
        place = f"this machine has {machine_gpus}"
    else:
        # CUDA shows a process one part of a divided GPU
        gpus = visible[:1] if visible and visible[0].startswith("MIG-") else visible
        place = f"{VISIBLE}={environment[VISIBLE]} shows {len(gpus)}"
    count = processes or len(gpus) or 1
    if count > len(gpus):
        start = f"start {len(gpus)}, show more" if gpus else "show one"
        raise ConfigError(
            f"GPUs: {count} process{'es' * (count > 1)}, but {place}; {start}, or choose the CPU "
            f"with {ON_CPU}"
        )
    return gpus[:count]


def launcher_command(devices: Sequence[str], port: str, *options: str) -> list[str]:
    """The command that starts a process for each device; a module and its arguments follow."""
    world = base64.urlsafe_b64encode(json.dumps({"localhost": list(devices)}).encode()).decode()
    launcher = [sys.executable, "-u", "-m", "deepspeed.launcher.launch", f"--world_info={world}"]
    return [*launcher, f"--master_port={port}", *options, "--no_local_rank", "--module"]


def main() -> int:
    """Becomes the launcher of the module and arguments on the command line."""
    number = os.environ.get("PROCESSES", "")
    if number and not (number.isdecimal() and int(number)):
        raise ConfigError(f"environment variable PROCESSES: {number!r} is not a number above 0")
    devices = choose_devices(int(number) if number else None, os.environ, count_gpus())
    if devices[0] == CPU:
        os.environ["DS_ACCELERATOR"] = "cpu"
    level = f"--log_level={os.environ.get('DEEPSPEED_LOG') or 'critical'}"
    command = launcher_command(devices, os.environ.get("MASTER_PORT") or "29500", level)
    os.execv(command[0], [*command, *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(run_program("local.sh", main))
