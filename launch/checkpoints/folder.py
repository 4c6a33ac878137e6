"""The checkpoints of a run as they lie on disk: complete or absent, and verified.

A checkpoint is a folder `step-0000100` with a `.safetensors` file of fragments from each process
that owns some, and a `manifest.json` with the size and checksum of each file. It is written as
`step-0000100.tmp` and renamed when every byte is on disk.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from launch.durable import digest
from launch.processes import Processes, from_first, gather_objects

CHECKPOINTS_FOLDER = "checkpoints"  # in a run folder
MANIFEST = "manifest.json"
LATEST = "latest"


class DamagedCheckpoint(ValueError):
    """A checkpoint whose files are not those that were written."""

    exit_status = 2


class Checkpoint(NamedTuple):
    """A complete checkpoint on disk."""

    folder: Path
    step: int
    optimizer_steps: int
    counters: dict[str, int]  # what the run has counted so far
    files: dict[str, dict[str, Any]]  # name -> bytes, sha256


def find_checkpoint(
    root: Path, processes: Processes, report: Callable[[str], None]
) -> Checkpoint | None:
    """The newest checkpoint whose files are those that were written, the same for every process.

    A damaged one is named to `report` and passed over. None where there is none to be found;
    raises DamagedCheckpoint where there are some, but none is whole.
    """
    folders = complete_checkpoints(root) if processes.is_first else []
    folders = from_first(folders)
    for folder in reversed(folders):
        damages = gather_objects(_damages(folder, processes))
        damage = next((damage for damage in damages if damage), None)
        if damage is None:
            return open_checkpoint(folder)
        if processes.is_first:
            report(damage)
    if folders:
        raise DamagedCheckpoint(f"{root}: none of its {len(folders)} checkpoints is whole")
    return None


def complete_checkpoints(root: Path) -> list[Path]:
    """Checkpoint folders that were written to the end, oldest first."""
    return sorted(path for path in root.glob("step-*") if path.suffix != ".tmp")


def open_checkpoint(folder: Path) -> Checkpoint:
    """Reads a checkpoint's manifest; raises DamagedCheckpoint where there is none."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        return Checkpoint(
            folder,
            int(manifest["step"]),
            int(manifest["optimizer_steps"]),
            dict(manifest["counters"]),
            dict(manifest["files"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedCheckpoint(f"{folder / MANIFEST}: cannot be read ({error})") from None


def remove_old(root: Path, keep_last: int) -> None:
    for old in complete_checkpoints(root)[:-keep_last]:
        shutil.rmtree(old)


def _damages(folder: Path, processes: Processes) -> str | None:
    """What is wrong with this process's share of a checkpoint's files."""
    try:
        checkpoint = open_checkpoint(folder)
    except DamagedCheckpoint as error:
        return str(error)
    mine = list(checkpoint.files)[processes.rank :: processes.world_size]
    return next((damage for name in mine if (damage := _damage(checkpoint, name))), None)


def _damage(checkpoint: Checkpoint, name: str) -> str | None:
    file, expected = checkpoint.folder / name, checkpoint.files[name]
    if not file.is_file():
        return f"{file}: is missing"
    if file.stat().st_size != expected["bytes"]:
        return f"{file}: has {file.stat().st_size} bytes, {expected['bytes']} were written"
    return None if digest(file) == expected["sha256"] else f"{file}: its checksum is wrong"
