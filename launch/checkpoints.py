"""Checkpoints: complete or absent, verified, and independent of stage and number of processes.

A checkpoint is a folder `step-0000100` with a `.safetensors` file of fragments from each process
that owns some, and a `manifest.json` with the size and checksum of each file. It is written as
`step-0000100.tmp` and renamed when every byte is on disk.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from launch.durable import digest, flush_folder, write_durably
from launch.fragments import WEIGHT, Fragment
from launch.processes import Processes, from_first, gather_objects, wait_for_all

CHECKPOINTS_FOLDER = "checkpoints"  # in a run folder
MANIFEST = "manifest.json"
LATEST = "latest"


class DamagedCheckpoint(ValueError):
    """A checkpoint whose files are not those that were written."""

    exit_status = 2


@runtime_checkable
class State(Protocol):
    """What is saved: an engine, or whatever else owns fragments."""

    @property
    def owns_copies(self) -> bool: ...

    @property
    def optimizer_steps(self) -> int: ...

    def fragments(self) -> list[Fragment]: ...

    def publish(self, optimizer_steps: int) -> None: ...


class Checkpoint(NamedTuple):
    """A complete checkpoint on disk."""

    folder: Path
    step: int
    optimizer_steps: int
    counters: dict[str, int]  # what the run has counted so far
    files: dict[str, dict[str, Any]]  # name -> bytes, sha256


def save_checkpoint(
    root: Path, step: int, state: State, processes: Processes, keep_last: int,
    counters: dict[str, int],
) -> Path:  # fmt: skip
    """Writes the state after `step` steps, moves `latest` to it and removes the oldest ones.

    Every process calls it; it returns when the checkpoint is complete.
    """
    final = root / f"step-{step:07d}"
    aside = final.with_name(final.name + ".tmp")
    if processes.is_first:
        for leftover in (aside, final):
            shutil.rmtree(leftover, ignore_errors=True)
        aside.mkdir(parents=True)
    wait_for_all()
    written = {}
    if processes.is_first or not state.owns_copies:
        file = aside / f"state-{processes.rank:05d}-of-{processes.world_size:05d}.safetensors"
        written = {file.name: _write_fragments(file, state)}
    files = {name: facts for part in gather_objects(written) for name, facts in part.items()}
    if processes.is_first:
        manifest = {
            "step": step,
            "optimizer_steps": state.optimizer_steps,
            "counters": counters,
            "files": files,
        }
        write_durably(aside / MANIFEST, json.dumps(manifest, indent=1))
        flush_folder(aside)
        aside.rename(final)
        write_durably(root / LATEST, final.name)
        flush_folder(root)
        _remove_old(root, keep_last)
    wait_for_all()
    return final


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


def load_checkpoint(checkpoint: Checkpoint, state: State) -> None:
    """Sets weights and optimizer state of an engine of any stage and number of processes."""
    pieces = _Pieces(checkpoint)
    for fragment in state.fragments():
        for key, tensor in fragment.tensors.items():
            tensor.copy_(pieces.read(key, fragment.name, fragment.start, fragment.stop))
    state.publish(checkpoint.optimizer_steps)


def read_weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Every parameter whole, in float32, read on one process without an engine."""
    pieces = _Pieces(checkpoint)
    return {
        name: pieces.read(WEIGHT, name, 0, torch.Size(shape).numel()).reshape(shape)
        for name, shape in pieces.shapes.items()
    }


class _Pieces:
    """Stretches of parameters across the files of a checkpoint."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.shapes: dict[str, list[int]] = {}
        self._places: dict[str, list[tuple[int, Any]]] = {}
        for name in checkpoint.files:
            try:
                opened = safe_open(checkpoint.folder / name, framework="pt")
            except (SafetensorError, OSError) as error:
                raise DamagedCheckpoint(f"{checkpoint.folder / name}: {error}") from None
            for parameter, (start, shape) in json.loads(opened.metadata()["fragments"]).items():
                self.shapes[parameter] = shape
                self._places.setdefault(parameter, []).append((start, opened))

    def read(self, key: str, parameter: str, start: int, stop: int) -> Tensor:
        """Values [start, stop) of a flattened parameter's weight or moment."""
        parts = list(self._overlaps(f"{key}/{parameter}", parameter, start, stop))
        joined = torch.cat(parts) if parts else torch.empty(0)
        if len(joined) != stop - start:
            raise DamagedCheckpoint(
                f"{self.checkpoint.folder}: holds {len(joined)} of {stop - start} values of "
                f"{parameter}; it was written by another model"
            )
        return joined

    def _overlaps(self, key: str, parameter: str, start: int, stop: int) -> Iterator[Tensor]:
        places = self._places.get(parameter, [])
        for begin, opened in sorted(places, key=lambda place: place[0]):
            piece = opened.get_slice(key)
            low, high = max(start, begin), min(stop, begin + piece.get_shape()[0])
            if low < high:
                yield piece[low - begin : high - begin]


def _write_fragments(file: Path, state: State) -> dict[str, Any]:
    tensors, places = {}, {}
    for fragment in state.fragments():
        places[fragment.name] = (fragment.start, fragment.shape)
        for key, tensor in fragment.tensors.items():
            tensors[f"{key}/{fragment.name}"] = tensor.detach().cpu().clone()
    save_file(tensors, file, {"fragments": json.dumps(places)})
    with file.open("rb") as written:
        os.fsync(written.fileno())
    return {"bytes": file.stat().st_size, "sha256": digest(file)}


def _remove_old(root: Path, keep_last: int) -> None:
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
