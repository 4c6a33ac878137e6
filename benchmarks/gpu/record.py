"""The record of a proof as JSON: machine, versions, commit, and every figure."""

import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.figure import Figure
from benchmarks.gpu.worker import Outcome
from launch.atomic_io import write_atomic
from launch.distributed.device import device_name

ROOT = Path(__file__).parents[2]
PACKAGES = ("torch", "deepspeed", "triton", "numpy")
Machine = dict[str, Any]


def describe(device: torch.device) -> Machine:
    """The device, its driver, the host, the versions of what computes, and the commit."""
    on_gpu = device.type == "cuda"
    versions = {name: _version(name) for name in PACKAGES}
    versions |= {"cuda": torch.version.cuda or "", "python": platform.python_version()}
    return {
        "device": device_name(device),
        "on_gpu": on_gpu,
        "gpus": torch.cuda.device_count() if on_gpu else 0,
        "memory_bytes": torch.cuda.get_device_properties(device).total_memory if on_gpu else 0,
        "driver": _driver() if on_gpu else "",
        "cores": len(os.sched_getaffinity(0)),
        "versions": versions,
        "commit": _commit(),
    }


def write_record(file: Path, machine: Machine, outcomes: Sequence[Outcome], seconds: float) -> None:
    """Writes a JSON document; a failed check has the end of its output."""
    document = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        **machine,
        "seconds": round(seconds, 1),
        "checks": [_check(outcome, machine["on_gpu"]) for outcome in outcomes],
    }
    write_atomic(file, json.dumps(document, indent=1) + "\n")


def _check(outcome: Outcome, on_gpu: bool) -> dict[str, Any]:
    figures = [_figure(figure, on_gpu) for figure in outcome.figures]
    texts = {"reason": outcome.reason, "output": outcome.output}
    return {
        "name": outcome.name,
        "verdict": outcome.verdict,
        "seconds": round(outcome.seconds, 1),
        **{name: text for name, text in texts.items() if text},
        "figures": figures,
    }


def _figure(figure: Figure, on_gpu: bool) -> dict[str, Any]:
    # JSON has no number for what is not finite
    value = figure.value
    is_number = isinstance(value, str) or value - value == 0
    limit = f"{figure.limit.sense} {figure.limit.value:g}" if figure.limit else None
    return {
        "name": figure.name,
        "value": value if is_number else str(value),
        "unit": "share" if figure.unit == "%" else figure.unit,
        "limit": limit,
        "verdict": figure.verdict(on_gpu),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _driver() -> str:
    if not shutil.which("nvidia-smi"):
        return ""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    lines = subprocess.run(query, capture_output=True, text=True).stdout.splitlines()
    return lines[0].strip() if lines else ""


def _commit() -> str:
    """With + where files differ from it; unknown without git."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    if not shutil.which("git") or not (commit := git("rev-parse", "--short=12", "HEAD")):
        return "unknown"
    return commit + "+" * bool(git("status", "--porcelain", "--untracked-files=no"))
