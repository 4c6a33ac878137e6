"""The GPU of a process, or the CPU; a GPU that cannot be used is an error, not a slow run."""

import os
import warnings
from collections.abc import Mapping

import torch

from launch.distributed.gpu_allocator import FIXED, use_expandable_segments
from launch.distributed.gpu_environment import (
    ON_CPU,
    gpu_evidence,
    has_slurm_grant,
    is_cpu_chosen,
)
from launch.errors import ConfigError

# Words of CUDA's or PyTorch's reason, in lower case, and the cure.
CURES = (
    ("driver on your system is too old", "update the driver, or install a torch for its CUDA"),
    ("no nvidia driver", "install the driver; a container needs `docker run --gpus all`"),
    ("not compiled with cuda", "install a torch with CUDA"),
    ("no kernel image", "install a torch whose CUDA supports this GPU"),
    ("busy or unavailable", "end the process that has this GPU for itself, or take another GPU"),
    ("out of memory", "end the processes that fill this GPU, or take another GPU"),
    ("cuda driver error", f"set {FIXED}, which some virtual GPUs and WSL need"),
)
LOOK = "look at nvidia-smi and dmesg"


def find_device(local_rank: int, environment: Mapping[str, str]) -> torch.device:
    """The GPU of a process, or the CPU where there is none or the environment chooses it.

    The only visible GPU belongs to the process, whatever its local rank: `srun --gpus-per-task=1`
    shows one to each. Raises ConfigError where a GPU is expected and CUDA has none for it.
    """
    if is_cpu_chosen(environment):
        return torch.device("cpu")
    if not _is_cuda_available():
        if evidence := gpu_evidence(environment):
            raise ConfigError(_explain_missing(evidence, environment))
        return torch.device("cpu")
    count = torch.cuda.device_count()
    if local_rank >= count > 1:
        raise ConfigError(
            f"GPUs: local rank {local_rank} has none, because {count} are visible; start "
            f"{count} processes on this machine, or show one to each (srun --gpus-per-task=1)"
        )
    return torch.device("cuda", 0 if count == 1 else local_rank)


def require_working(device: torch.device) -> None:
    """Computes on a GPU, for the first time in this process, with the allocator of a run.

    Raises ConfigError, with the reason and the cure, if that fails.
    """
    if device.type != "cuda":
        return
    use_expandable_segments(os.environ)
    try:
        torch.cuda.set_device(device)
        torch.ones(8, device=device)
        torch.cuda.synchronize(device)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"{device}: does not work ({reason}); {_cure(reason)}") from error


def device_name(device: torch.device) -> str:
    """The model of a GPU, or CPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def device_id(device: torch.device) -> str:
    """The UUID of a GPU, or CPU."""
    if device.type != "cuda":
        return "CPU"
    return f"GPU-{torch.cuda.get_device_properties(device).uuid}"


def _is_cuda_available() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reason is in the error, and in one line
        return torch.cuda.is_available()


def _explain_missing(evidence: str, environment: Mapping[str, str]) -> str:
    reason = _why_not()
    cure = _cure(reason)
    if "SLURM_JOB_ID" in environment and not has_slurm_grant(environment):
        cure = "this job asked for none: give sbatch or srun --gpus-per-node"
    return (
        f"GPUs: {evidence}, but PyTorch {torch.__version__} cannot use one ({reason}); {cure}; or "
        f"choose the CPU with {ON_CPU}"
    )


def _why_not() -> str:
    try:
        torch.cuda.init()
    except (AssertionError, RuntimeError) as error:  # AssertionError: built without CUDA
        return str(error).strip().splitlines()[0].split(". ")[0].rstrip(".")
    return "CUDA finds no device"


def _cure(reason: str) -> str:
    return next((cure for words, cure in CURES if words in reason.lower()), LOOK)
