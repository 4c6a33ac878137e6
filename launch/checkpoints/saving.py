"""Writing checkpoints."""

import json
import os
import shutil
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from safetensors.torch import save_file

from launch.checkpoints.folder import LATEST, MANIFEST, remove_old
from launch.checkpoints.fragments import Fragment
from launch.durable import digest, flush_folder, write_durably
from launch.processes import Processes, gather_objects, wait_for_all


@runtime_checkable
class State(Protocol):
    """What is saved: an engine, or whatever else owns fragments."""

    @property
    def owns_copies(self) -> bool: ...

    @property
    def optimizer_steps(self) -> int: ...

    def fragments(self) -> list[Fragment]: ...

    def publish(self, optimizer_steps: int) -> None: ...


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
        remove_old(root, keep_last)
    wait_for_all()
    return final


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
