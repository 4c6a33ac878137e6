"""Checks of the driver and of the GPUs."""

import os
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from launch.distributed.device import device_name, find_device, require_working
from launch.distributed.gpu_environment import VISIBLE, count_gpus, is_cpu_chosen, visible_gpus
from launch.doctor.check_result import Finding, Place, Values
from launch.doctor.isolation import Isolated, NoAnswer
from launch.doctor.machine import GIB
from launch.errors import ConfigError

# By the major version of CUDA that torch is built for, the oldest driver (NVIDIA's table of minor
# version compatibility).
OLDEST_DRIVER = {11: (450, 80), 12: (525, 60), 13: (580, 65)}
CROWDED = "end the programs that hold its memory (nvidia-smi names them)"
SIDE = 1024  # of the matrices of the product that a GPU must compute
FREE_ENOUGH = 0.9  # share of a GPU's memory; CUDA and a screen take a little


def driver(place: Place, root: Path = Path("/")) -> Finding:
    """The driver's version, and whether it is new enough for torch's CUDA."""
    version, cuda = _driver_version(root), torch.version.cuda
    values = {"driver": version, "torch_cuda": cuda or ""}
    if not version:
        return Finding("ok", "no NVIDIA driver: runs use CPU cores", "", values, alike="none")
    if cuda is None:
        figure = f"{version}, but torch {torch.__version__} is built without CUDA"
        return Finding("failed", figure, "install a torch with CUDA", values)
    oldest = OLDEST_DRIVER.get(int(cuda.split(".")[0]))
    if oldest is None or _numbers(version) >= oldest:
        figure = f"{version}, torch is built for CUDA {cuda}"
        return Finding("ok", figure, "", values, alike=version)
    wanted = ".".join(map(str, oldest))
    return Finding(
        "failed",
        f"{version}, but torch is built for CUDA {cuda}, which needs {wanted} or newer",
        "update the driver, or install a torch for its CUDA",
        values,
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def _driver_version(root: Path) -> str:
    """Of the loaded kernel module; without its file, as nvidia-smi says. Empty without a driver."""
    try:
        text = (root / "proc/driver/nvidia/version").read_text()
    except OSError:
        text = _nvidia_smi("--query-gpu=driver_version", "--format=csv,noheader")
    found = re.search(r"\b\d{3}\.\d+(\.\d+)?\b", text)
    return found[0] if found else ""


def _nvidia_smi(*options: str) -> str:
    if not shutil.which("nvidia-smi"):
        return ""
    return subprocess.run(["nvidia-smi", *options], capture_output=True, text=True).stdout


class Gpu(NamedTuple):
    """A GPU that computes rightly."""

    name: str
    free: int
    total: int


def devices(place: Place) -> Finding:
    """The device of this process; of a single process, all that it sees."""
    names = own_gpus() if place.processes.world_size == 1 else []
    if len(names) > 1:
        return _judge_all(names, place)
    try:
        device = place.processes.device
        if device.type == "cpu":
            return Finding("ok", device_name(device), alike="cpu")
        gpu = Gpu(*compute_on(device))
    except ConfigError as error:
        problem, _, cure = str(error).partition("; ")
        return Finding("failed", problem, cure)
    figure = f"{gpu.name}, {_free_text(gpu)}"
    values: Values = {"name": gpu.name, "free_bytes": gpu.free, "total_bytes": gpu.total}
    cure = "" if gpu.free >= FREE_ENOUGH * gpu.total else CROWDED
    return Finding(
        "warning" if cure else "ok", figure, cure, values, score=gpu.free, alike=gpu.name
    )


def own_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES names, or the indices of all GPUs, also of those that are sick."""
    if is_cpu_chosen(os.environ):
        return []
    chosen = visible_gpus(os.environ)
    count = max(count_gpus(), torch.cuda.device_count())
    return [str(index) for index in range(count)] if chosen is None else chosen


def _judge_all(names: list[str], place: Place) -> Finding:
    """Each GPU is tried in a process that sees only it, so a sick one does not hide the others."""
    tried = [Isolated(partial(_compute_alone, name), place.seconds * 0.8) for name in names]
    gpus, problems = dict[str, Gpu](), dict[str, str]()
    for name, trial in zip(names, tried, strict=True):
        try:
            gpus[name] = Gpu(*trial.answer())
        except NoAnswer as error:
            # each is the only one that its process sees
            problems[name] = str(error).partition("; ")[0].removeprefix("cuda:0: ")
    figure = "; ".join([*_count(gpus), *(f"GPU {name}: {why}" for name, why in problems.items())])
    free: Values = {f"free_bytes_{name}": gpu.free for name, gpu in gpus.items()}
    values: Values = {"gpus": len(names), "sick": ",".join(problems), **free}
    if problems:
        healthy = ",".join(gpus)
        cure = f"{VISIBLE}={healthy} leaves it out; " if gpus else ""
        return Finding("failed", figure, f"{cure}look at nvidia-smi and dmesg", values)
    crowded = [name for name, gpu in gpus.items() if gpu.free < FREE_ENOUGH * gpu.total]
    if crowded:
        return Finding("warning", figure, f"GPU {', '.join(crowded)}: {CROWDED}", values)
    return Finding("ok", figure, "", values)


def _count(gpus: dict[str, Gpu]) -> list[str]:
    """`7 x NVIDIA H100, 79.1 of 79.6 GiB free on GPU 0, the least`, for each model."""
    texts = []
    for model in dict.fromkeys(gpu.name for gpu in gpus.values()):
        same = {name: gpu for name, gpu in gpus.items() if gpu.name == model}
        least = min(same, key=lambda name: same[name].free)
        texts.append(f"{len(same)} x {model}, {_free_text(same[least])} on GPU {least}, the least")
    return texts


def _free_text(gpu: Gpu) -> str:
    return f"{gpu.free / GIB:.1f} of {gpu.total / GIB:.1f} GiB free"


def _compute_alone(name: str) -> tuple[str, int, int]:
    os.environ[VISIBLE] = name
    return compute_on(find_device(0, os.environ))


def compute_on(device: torch.device) -> tuple[str, int, int]:
    """Name, free and total bytes of a GPU. Raises ConfigError if it does not compute rightly."""
    require_working(device)
    free, total = torch.cuda.mem_get_info(device)
    matrix: Any = torch.ones(SIDE, SIDE, device=device)
    product = float((matrix @ matrix).sum())
    if product != SIDE**3:
        raise ConfigError(
            f"{device}: a product is {product:g}, not {SIDE**3}; take another GPU, and have it "
            "tested (dcgmi diag)"
        )
    return device_name(device), free, total
