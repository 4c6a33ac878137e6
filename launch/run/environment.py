"""`environment.json` of a run folder: versions, machine and steps of each start."""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from launch.atomic_io import write_atomic
from launch.distributed.device import device_name
from launch.distributed.process_group import Processes
from launch.plugins import plugin_digests
from launch.run.run_folder import write_config
from launch.version import VERSION

ENVIRONMENT_FILE = "environment.json"
PACKAGES = ("torch", "deepspeed", "timm", "numpy", "av", "pydantic", "safetensors")


def read_starts(folder: Path) -> list[dict[str, Any]] | None:
    """All starts of a run, oldest first; None if the file is damaged."""
    try:
        starts = json.loads((folder / ENVIRONMENT_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError):
        return None
    is_valid = isinstance(starts, list) and all(isinstance(start, dict) for start in starts)
    return starts if is_valid else None


def last_recorded(folder: Path, name: str) -> Any:
    """The value of the newest start that has one of this name; None without any."""
    starts = read_starts(folder) or []
    return next((start[name] for start in reversed(starts) if start.get(name)), None)


MICRO_BATCH = "micro_batch_size"  # the key in a start's record


def last_micro_batch(folder: Path) -> int | None:
    """The micro-batch of the newest start; None without any."""
    found = last_recorded(folder, MICRO_BATCH)
    return found if isinstance(found, int) else None


def record_start(
    folder: Path, config: Any, processes: Processes, steps: range, **more: Any
) -> list[str]:
    """Writes the configuration of a start, and appends its environment and steps.

    Returns warnings: of a damaged `environment.json`, which is kept under another name, and of
    plugins that have changed since the start before.
    """
    write_config(folder, config)
    file, plugins = folder / ENVIRONMENT_FILE, plugin_digests()
    starts, warnings = read_starts(folder), list[str]()
    if starts is None:
        kept = keep_damaged(file)
        warnings.append(
            f"warning: {file} was damaged; it is kept as {kept.name}, a new one is begun"
        )
    elif starts:
        warnings += _changed_plugins(starts[-1].get("plugins"), plugins)
    start = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "from_step": steps.start,
        "to_step": steps.stop,
        "version": VERSION,
        "command": sys.argv,
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "host": platform.node(),
        "cpus": os.cpu_count(),
        "device": device_name(processes.device),
        "plugins": plugins,
        "launcher": processes.launcher,
        "processes": processes.world_size,
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        **more,
    }
    write_atomic(file, json.dumps([*(starts or []), start], indent=1) + "\n")
    return warnings


def _changed_plugins(before: Any, now: Mapping[str, str]) -> list[str]:
    """A warning for each plugin whose source was another at the start before."""
    known = before if isinstance(before, dict) else {}
    return [
        f"warning: plugins: {name} has changed since the last start of this run; its steps may "
        "differ from those of an uninterrupted run"
        for name, digest in now.items()
        if known.get(name, digest) != digest
    ]


def keep_damaged(file: Path) -> Path:
    """Renames a damaged file to a name that is not in use yet, such as `x.json.damaged-1`."""
    number = 1
    while (kept := file.with_name(f"{file.name}.damaged-{number}")).exists():
        number += 1
    file.rename(kept)
    return kept


def _git_commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
