"""The folder of a run: its configuration, its environment, and whether it may resume."""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from launch.atomic_io import write_atomic
from launch.checkpoint.store import CHECKPOINTS_FOLDER, complete_checkpoints, remove_unfinished
from launch.distributed.process_group import Processes, device_name
from launch.errors import ConfigError
from launch.keys import all_keys
from launch.plugins import plugin_digests
from launch.recipe import dump_recipe, read_resolved
from launch.version import VERSION

PACKAGES = ("torch", "deepspeed", "timm", "numpy", "av", "pydantic", "safetensors")


def open_run_folder(folder: Path, config: Any, resume: bool) -> list[str]:
    """Writes `config.yaml` into a locked folder, which must be new or of the same run.

    Returns the keys that differ when a run resumes, each with both values. Raises ConfigError if
    the folder has another run.
    """
    checkpoints = folder / CHECKPOINTS_FOLDER
    checkpoints.mkdir(exist_ok=True)
    remove_unfinished(checkpoints)
    changed = require_resumable(folder, config, resume)
    write_atomic(folder / "config.yaml", dump_recipe(config))
    return changed


def require_resumable(folder: Path, config: Any, resume: bool) -> list[str]:
    """What `open_run_folder` returns and raises; writes nothing."""
    if not complete_checkpoints(folder / CHECKPOINTS_FOLDER):
        return []
    if not resume:
        raise ConfigError(
            f"run: {folder} already holds a run; give another run=FOLDER, "
            "or checkpoint.resume=auto to resume it"
        )
    return _require_same_run(folder / "config.yaml", config)


def _require_same_run(file: Path, config: Any) -> list[str]:
    try:
        before = _flat(read_resolved(type(config), file))
    except (OSError, ConfigError) as error:
        raise ConfigError(f"{file}: cannot be read ({error}); give another run=FOLDER") from None
    now = _flat(config)
    changed = {
        key: f"{key} was {before.get(key)!r}, is {now.get(key)!r}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    }
    free = tuple(key.path for key in all_keys(type(config)) if key.may_change)
    refused = [
        change
        for key, change in changed.items()
        if not any(key == path or key.startswith(f"{path}.") for path in free)
    ]
    if refused:
        raise ConfigError(
            f"run: {file.parent} holds a run of another configuration ({'; '.join(refused)}); "
            "restore these values, or give another run=FOLDER"
        )
    return list(changed.values())


def _flat(config: Any) -> dict[str, Any]:
    """The values of a configuration by key path."""
    return dict(_leaves(TypeAdapter(type(config)).dump_python(config, mode="json")))


def _leaves(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def record_start(folder: Path, processes: Processes, steps: range, **more: Any) -> None:
    """Appends the environment and the steps of a start to `environment.json`."""
    file = folder / "environment.json"
    starts = json.loads(file.read_text()) if file.is_file() else []
    starts.append(
        {
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
            "plugins": plugin_digests(),
            "launcher": processes.launcher,
            "processes": processes.world_size,
            "slurm_job": os.environ.get("SLURM_JOB_ID"),
            **more,
        }
    )
    write_atomic(file, json.dumps(starts, indent=1) + "\n")


def _git_commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
