"""The checkpoints of a run on disk: complete or absent, and verified.

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
    """A checkpoint whose files differ from those that were written."""

    exit_status = 2


class Checkpoint(NamedTuple):
    """A complete checkpoint on disk."""

    folder: Path
    step: int
    scalars: dict[str, float]  # of the optimizer: its steps, the scale of the loss
    counters: dict[str, int]  # of the run, such as skipped steps
    files: dict[str, dict[str, Any]]  # name -> bytes, sha256


def find_checkpoint(
    root: Path, processes: Processes, report: Callable[[str], None]
) -> Checkpoint | None:
    """The newest valid checkpoint, the same on every process; None without checkpoints.

    A damaged one is reported, and renamed to `step-0000100.damaged` if an earlier one is valid.
    Raises DamagedCheckpoint if all are damaged.
    """
    found = sorted(complete_checkpoints(root), key=_held_step) if processes.is_rank0 else []
    folders = broadcast_object(found)
    newest = ""
    for number, folder in enumerate(reversed(folders)):
        damages = gather_objects(_find_damage(folder, processes))
        damage = next((damage for damage in damages if damage), None)
        if damage is None:
            checkpoint = open_checkpoint(folder)
            if processes.is_rank0:
                _rename_damaged(folders[len(folders) - number :])
            return checkpoint
        newest = newest or damage
        if processes.is_rank0:
            report(f"warning: {damage}; trying the checkpoint before it")
    if folders:
        raise DamagedCheckpoint(
            f"{root}: no checkpoint is valid, the newest: {newest}; restore it from a copy, or "
            "give another run=FOLDER"
        )
    return None


def newest_valid_checkpoint(root: Path, step: int | None = None) -> Checkpoint:
    """The newest valid checkpoint, or that of a step; changes nothing on the disk.

    Raises DamagedCheckpoint if there is none.
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
    which = "" if step is None else f" of step {step}"
    steps = ", ".join(str(step_of(folder)) for folder in complete_checkpoints(root)) or "none"
    raise DamagedCheckpoint(
        damages[0] if damages else f"{root}: has no checkpoint{which}; there are: {steps}"
    )


def checkpoint_name(step: int) -> str:
    return f"step-{step:07d}"


def complete_checkpoints(root: Path) -> list[Path]:
    """Complete checkpoint folders, oldest first."""
    return sorted((path for path in root.glob("step-*") if _NAME.fullmatch(path.name)), key=step_of)


def step_of(folder: Path) -> int:
    """The step of a checkpoint by its folder's name."""
    return int(folder.name.partition("-")[2])


def remove_unfinished(root: Path) -> None:
    """Removes what a killed save left."""
    for unfinished in root.glob(f"step-*{UNFINISHED}"):
        shutil.rmtree(unfinished)


def open_checkpoint(folder: Path) -> Checkpoint:
    """Reads a checkpoint's manifest.

    Raises DamagedCheckpoint if it is missing or damaged, or if the folder is named after another
    step than it holds.
    """
    checkpoint = _read_manifest(folder)
    if folder.name != (name := checkpoint_name(checkpoint.step)):
        raise DamagedCheckpoint(f"{folder}: holds step {checkpoint.step}, so its name is {name}")
    return checkpoint


def _held_step(folder: Path) -> int:
    """The step inside a checkpoint folder; that of its name if the manifest is damaged."""
    try:
        return _read_manifest(folder).step
    except DamagedCheckpoint:
        return step_of(folder)


def _read_manifest(folder: Path) -> Checkpoint:
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
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedCheckpoint(f"{folder / MANIFEST}: cannot be read ({error})") from None


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes what `open_checkpoint` reads: step, scalars, counters, files."""
    text = json.dumps({**manifest, "sha256": _checksum(manifest)}, indent=1)
    write_atomic(folder / MANIFEST, text)


def _checksum(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def remove_old(root: Path, keep_last: int, keep_every: int | None) -> None:
    """Removes all but the last ones and those at multiples of `keep_every` steps."""
    for old in complete_checkpoints(root)[:-keep_last]:
        if not keep_every or step_of(old) % keep_every:
            unfinished = old.with_name(old.name + UNFINISHED)
            old.rename(unfinished)  # a killed removal must not leave half a checkpoint
            shutil.rmtree(unfinished)


def _rename_damaged(damaged: list[Path]) -> None:
    for folder in damaged:
        renamed = folder.with_name(folder.name + ".damaged")
        shutil.rmtree(renamed, ignore_errors=True)
        folder.rename(renamed)


def _find_damage(folder: Path, processes: Processes) -> str | None:
    """The first damage among the files that this process checks."""
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
