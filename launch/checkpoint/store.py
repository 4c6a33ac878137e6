"""The checkpoints of a run as they lie on disk: complete or absent, and verified.

A checkpoint is a folder `step-0000100` with a `.safetensors` file of fragments from each process
that owns some, and a `manifest.json` with the size and checksum of each file. It is written as
`step-0000100.tmp` and renamed when every byte is on disk.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from launch.atomic_io import sha256_file, write_atomic
from launch.distributed.process_group import Processes, broadcast_object, gather_objects

CHECKPOINTS_FOLDER = "checkpoints"  # in a run folder
MANIFEST = "manifest.json"
LATEST = "latest"
UNFINISHED = ".tmp"
_NAME = re.compile(r"step-\d+")


class DamagedCheckpoint(ValueError):
    """A checkpoint whose files are not those that were written."""

    exit_status = 2


class Checkpoint(NamedTuple):
    """A complete checkpoint on disk."""

    folder: Path
    step: int
    scalars: dict[str, float]  # of the optimizer: its steps, the scale of the loss
    counters: dict[str, int]  # what the run has counted so far
    files: dict[str, dict[str, Any]]  # name -> bytes, sha256


def find_checkpoint(
    root: Path, processes: Processes, report: Callable[[str], None]
) -> Checkpoint | None:
    """The newest checkpoint whose files are those that were written, the same for every process.

    A damaged one is named to `report`, and put out of the way as `step-0000100.damaged` where one
    before it is whole. None where there is none to be found; raises DamagedCheckpoint where there
    are some, but none is whole.
    """
    folders = broadcast_object(complete_checkpoints(root) if processes.is_rank0 else [])
    for number, folder in enumerate(reversed(folders)):
        damages = gather_objects(_find_damage(folder, processes))
        damage = next((damage for damage in damages if damage), None)
        if damage is None:
            checkpoint = open_checkpoint(folder)
            if processes.is_rank0:
                _rename_damaged(folders[len(folders) - number :])
            return checkpoint
        if processes.is_rank0:
            report(f"warning: {damage}; the checkpoint before it is tried")
    if folders:
        raise DamagedCheckpoint(
            f"{root}: none of its {len(folders)} checkpoints is whole; bring one back from a copy, "
            "or give another run=FOLDER"
        )
    return None


def newest_valid_checkpoint(root: Path, step: int | None = None) -> Checkpoint:
    """The newest checkpoint whose files are those that were written, or that of a step.

    Changes nothing on the disk. Raises DamagedCheckpoint where there is none.
    """
    folders = complete_checkpoints(root)
    if step is not None:
        folders = [folder for folder in folders if step_of(folder) == step]
    damages = []
    for folder in reversed(folders):
        damage = _find_damage(folder, Processes())
        if damage is None:
            return open_checkpoint(folder)
        damages.append(damage)
    wanted = "" if step is None else f" of step {step}"
    there = ", ".join(str(step_of(folder)) for folder in complete_checkpoints(root)) or "none"
    raise DamagedCheckpoint(
        damages[0] if damages else f"{root}: has no checkpoint{wanted}; there are: {there}"
    )


def checkpoint_name(step: int) -> str:
    return f"step-{step:07d}"


def complete_checkpoints(root: Path) -> list[Path]:
    """Checkpoint folders that were written to the end, oldest first."""
    return sorted((path for path in root.glob("step-*") if _NAME.fullmatch(path.name)), key=step_of)


def step_of(folder: Path) -> int:
    """The step of a checkpoint by its folder's name."""
    return int(folder.name.partition("-")[2])


def remove_unfinished(root: Path) -> None:
    """Takes away what a save left behind that was killed."""
    for unfinished in root.glob(f"step-*{UNFINISHED}"):
        shutil.rmtree(unfinished)


def open_checkpoint(folder: Path) -> Checkpoint:
    """Reads a checkpoint's manifest; raises DamagedCheckpoint where there is none that is whole."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest.pop("sha256") != _checksum(manifest):
            raise ValueError("its checksum is wrong")
        return Checkpoint(
            folder,
            int(manifest["step"]),
            dict(manifest["scalars"]),
            dict(manifest["counters"]),
            dict(manifest["files"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedCheckpoint(f"{folder / MANIFEST}: cannot be read ({error})") from None


def write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """Writes what `open_checkpoint` reads: step, scalars, counters, files."""
    text = json.dumps({**facts, "sha256": _checksum(facts)}, indent=1)
    write_atomic(folder / MANIFEST, text)


def _checksum(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def remove_old(root: Path, keep_last: int, keep_every: int | None) -> None:
    """Keeps the last ones, and for good those of multiples of `keep_every` steps."""
    for old in complete_checkpoints(root)[:-keep_last]:
        if not keep_every or step_of(old) % keep_every:
            leaving = old.with_name(old.name + UNFINISHED)
            old.rename(leaving)  # a removal that is killed leaves no half checkpoint
            shutil.rmtree(leaving)


def _rename_damaged(damaged: list[Path]) -> None:
    for folder in damaged:
        aside = folder.with_name(folder.name + ".damaged")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)


def _find_damage(folder: Path, processes: Processes) -> str | None:
    """What is wrong with this process's share of a checkpoint's files."""
    try:
        checkpoint = open_checkpoint(folder)
    except DamagedCheckpoint as error:
        return str(error)
    mine = list(checkpoint.files)[processes.rank :: processes.world_size]
    return next((damage for name in mine if (damage := _file_damage(checkpoint, name))), None)


def _file_damage(checkpoint: Checkpoint, name: str) -> str | None:
    file, expected = checkpoint.folder / name, checkpoint.files[name]
    if not file.is_file():
        return f"{file}: is missing"
    if file.stat().st_size != expected["bytes"]:
        return f"{file}: has {file.stat().st_size} bytes, {expected['bytes']} were written"
    return None if sha256_file(file) == expected["sha256"] else f"{file}: its checksum is wrong"
