"""What a machine and its environment variables say of GPUs, without asking CUDA."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

DEV = Path("/dev")
VISIBLE = "CUDA_VISIBLE_DEVICES"
ON_CPU = f"{VISIBLE}= (empty)"  # how a user chooses the CPU
SLURM_GRANTS = (
    "SLURM_JOB_GPUS",
    "SLURM_STEP_GPUS",
    "SLURM_GPUS",
    "SLURM_GPUS_ON_NODE",
    "SLURM_GPUS_PER_NODE",
    "SLURM_GPUS_PER_TASK",
)


def visible_gpus(environment: Mapping[str, str]) -> list[str] | None:
    """The indices, UUIDs or MIG names in CUDA_VISIBLE_DEVICES; None if it is not set.

    As in CUDA, a word that is none of these hides itself and all that follow.
    """
    value = environment.get(VISIBLE)
    if value is None:
        return None
    visible = []
    for word in (each.strip() for each in value.split(",")):
        if not (word.isdecimal() or word.startswith(("GPU-", "MIG-"))):
            break
        visible.append(word)
    return visible


def is_cpu_chosen(environment: Mapping[str, str]) -> bool:
    """Whether the user has chosen the CPU, with CUDA_VISIBLE_DEVICES= or DS_ACCELERATOR=cpu."""
    first = environment.get(VISIBLE, "0").split(",")[0].strip()
    return first in ("", "-1") or environment.get("DS_ACCELERATOR") == "cpu"


def gpu_evidence(environment: Mapping[str, str], dev: Path = DEV) -> str:
    """What says that this process should have a GPU; empty where nothing does."""
    if nodes := _gpu_nodes(dev):
        return f"{nodes[0]} exists"
    if visible_gpus(environment) and not _is_numbered_by_deepspeed(environment):
        return f"{VISIBLE}={environment[VISIBLE]}"
    granted = (name for name in SLURM_GRANTS if environment.get(name, "0") not in ("", "0"))
    return next((f"{name}={environment[name]}" for name in granted), "")


def has_slurm_grant(environment: Mapping[str, str]) -> bool:
    """Whether a SLURM job has GPUs."""
    return any(environment.get(name, "0") not in ("", "0") for name in SLURM_GRANTS)


def count_gpus(dev: Path = DEV) -> int:
    """The GPUs of this machine that this process may use, by nvidia-smi, else by device files.

    The parts of a divided GPU (MIG) are not counted: CUDA shows one of them to a process.
    """
    if shutil.which("nvidia-smi"):
        done = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True)
        if done.returncode == 0:
            return sum(line.startswith("GPU ") for line in done.stdout.splitlines())
    return len(_gpu_nodes(dev))


def _is_numbered_by_deepspeed(environment: Mapping[str, str]) -> bool:
    """Its launcher numbers the processes of a machine without GPUs, too."""
    local_size = environment.get("LOCAL_SIZE", "")
    numbers = range(int(local_size)) if local_size.isdecimal() else ()
    return bool(numbers) and environment.get(VISIBLE) == ",".join(map(str, numbers))


def _gpu_nodes(dev: Path) -> list[Path]:
    return sorted(each for each in dev.glob("nvidia[0-9]*") if each.name[6:].isdecimal())
