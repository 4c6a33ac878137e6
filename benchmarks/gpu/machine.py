"""What the machine is: `python -m launch doctor`, versions, and more processes than GPUs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.gpu.figure import Figure, Setting, at_most, holds
from launch.distributed.gpu_environment import count_gpus
from launch.distributed.local_launcher import choose_devices
from launch.errors import ConfigError

ROOT = Path(__file__).parents[2]


def describe_machine(setting: Setting) -> Iterator[Figure]:
    command = [sys.executable, "-m", "launch", "doctor", "--json"]
    done = subprocess.run(
        [*command, "--run", str(setting.folder / "run")], cwd=ROOT, capture_output=True, text=True
    )
    checks: list[dict[str, Any]] = json.loads(done.stdout)["checks"]
    failed = [check for check in checks if check["verdict"] == "failed"]
    yield Figure(f"launch doctor: failed, of {len(checks)} checks", len(failed), at_most(0))
    for check in checks:
        figures = "; ".join(part["figure"] for part in check["parts"])
        verdict = "" if check["verdict"] == "ok" else f"{check['verdict']}: "
        yield Figure(check["name"], f"{verdict}{figures}")
    yield holds("a process more than GPUs is refused by name", _is_refused(setting), True)


def _is_refused(setting: Setting) -> bool:
    try:
        choose_devices(setting.gpus + 1, os.environ, count_gpus())
    except ConfigError as error:
        return str(error).startswith("GPUs: ")
    return False
