"""Writes checkpoints, optionally in the background, and commits them on all processes together."""

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from safetensors import SafetensorError
from torch import Tensor

from launch.atomic_io import fsync_folder, sha256_file, write_atomic
from launch.checkpoint.host_copy import HostCopy
from launch.checkpoint.save_tensors import save_tensors
from launch.checkpoint.store import (
    LATEST,
    UNFINISHED,
    checkpoint_name,
    complete_checkpoints,
    remove_old,
    write_manifest,
)
from launch.config import CheckpointConfig
from launch.distributed.process_group import Processes, broadcast_object, gather_objects
from launch.training.zero_shards import Fragment

WRITE_ERRORS = (OSError, SafetensorError)  # either of them on a full disk


class CheckpointNotWritten(OSError):
    """The last checkpoint of a run could not be written."""

    exit_status = 2
    on_every_process = True


@runtime_checkable
class TrainingState(Protocol):
    """What a checkpoint holds: an engine, or another owner of fragments."""

    @property
    def is_replicated(self) -> bool: ...

    def fragments(self) -> list[Fragment]: ...

    def scalars(self) -> dict[str, float]: ...

    def load_scalars(self, scalars: dict[str, float]) -> None: ...


class _Pending(NamedTuple):
    """A checkpoint whose files are being written, or are written and being committed."""

    step: int
    unfinished: Path  # the folder before it is renamed
    manifest: dict[str, Any]  # without the files
    job: Future[Any] | None  # of this process, in the background; None: nothing to do
    failure: str | None = None
    is_written: bool = False


class Saver:
    """Saves a run's state; every process makes the same calls, in the same order.

    A checkpoint that cannot be written is removed with a warning to `report`; earlier ones stay,
    and the run continues.
    """

    def __init__(
        self,
        root: Path,
        processes: Processes,
        config: CheckpointConfig,
        report: Callable[[str], None],
    ) -> None:
        self._root, self._processes, self._config = root, processes, config
        self._report = report
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._host_copy = HostCopy()
        self._is_async = config.async_save is True or (
            config.async_save == "auto" and processes.device.type == "cuda"
        )
        self._pending: _Pending | None = None
        self._failure: str | None = None

    @property
    def is_busy(self) -> bool:
        """Whether this process is still writing its part of a checkpoint in the background."""
        job = self._pending and self._pending.job
        return job is not None and not job.done()

    def save(self, step: int, state: TrainingState, counters: dict[str, int]) -> None:
        """Saves the state after `step` steps; with async_save it returns after a copy in memory."""
        self.finish()
        unfinished = self._root / (checkpoint_name(step) + UNFINISHED)
        failure = broadcast_object(_make_empty(unfinished) if self._processes.is_rank0 else None)
        job = None
        if failure is None and (self._processes.is_rank0 or not state.is_replicated):
            rank, world_size = self._processes.rank, self._processes.world_size
            file = unfinished / f"state-{rank:05d}-of-{world_size:05d}.safetensors"
            job = self._thread.submit(_write, file, *self._copy(state))
        manifest = {"step": step, "scalars": state.scalars(), "counters": counters}
        self._pending = _Pending(step, unfinished, manifest, job, failure)
        if not self._is_async:
            self.finish()
            self._host_copy.release()

    def finish(self) -> None:
        """Waits until a pending checkpoint is complete or removed."""
        while self._pending is not None:
            self._advance(self._pending)

    def poll(self, busy: bool) -> bool:
        """Continues a pending checkpoint, unless some process `is_busy` with it; whether it did."""
        if self._pending is None or busy:
            return False
        self._advance(self._pending)
        return True

    def _advance(self, pending: _Pending) -> None:
        """Waits for the current stage: writing the files on all processes, then the commit."""
        result, failure = None, pending.failure
        try:
            result = pending.job.result() if pending.job else None
        except WRITE_ERRORS as error:
            failure = str(error)
        results = gather_objects((result, failure))
        failure = next((failed for _, failed in results if failed), None)
        if failure is None and not pending.is_written:
            files = {name: file for part, _ in results for name, file in (part or {}).items()}
            is_rank0 = self._processes.is_rank0
            job = self._thread.submit(self._commit, pending, files) if is_rank0 else None
            self._pending = pending._replace(job=job, is_written=True)
            return
        self._pending = None
        if self._processes.is_rank0 and failure is not None:
            shutil.rmtree(pending.unfinished, ignore_errors=True)
            failure = self._explain(pending.step, failure)
            self._report(f"warning: {failure}")
        self._failure = broadcast_object(failure)

    def close(self) -> None:
        """Finishes; raises CheckpointNotWritten if the last checkpoint is not on the disk."""
        self.finish()
        self._thread.shutdown()
        if self._failure is not None:
            raise CheckpointNotWritten(
                f"{self._failure}; free space, or raise the quota or ulimit -f, and run the same "
                "command again"
            )

    def _copy(self, state: TrainingState) -> tuple[dict[str, Tensor], str]:
        positions: dict[str, tuple[int, tuple[int, ...]]] = {}
        tensors: dict[str, Tensor] = {}
        for fragment in state.fragments():
            positions[fragment.name] = (fragment.start, fragment.shape)
            tensors |= {f"{key}/{fragment.name}": part for key, part in fragment.tensors.items()}
        return self._host_copy.copy(tensors), json.dumps(positions)

    def _commit(self, pending: _Pending, files: dict[str, Any]) -> None:
        """Makes the folder a checkpoint with one rename, and removes old ones."""
        final = self._root / checkpoint_name(pending.step)
        write_manifest(pending.unfinished, {**pending.manifest, "files": files})
        fsync_folder(pending.unfinished)
        shutil.rmtree(final, ignore_errors=True)  # a damaged one of the same step
        pending.unfinished.rename(final)
        fsync_folder(self._root)
        try:
            write_atomic(self._root / LATEST, final.name)
            remove_old(self._root, self._config.keep_last, self._config.keep_every)
        except OSError as error:  # the checkpoint itself is complete
            self._report(f"warning: {self._root}: {error}")

    def _explain(self, step: int, failure: str) -> str:
        good = complete_checkpoints(self._root)
        last = f"the last complete one is {good[-1].name}" if good else "there is no other yet"
        return f"the checkpoint of step {step} was not written ({failure}); {last}"


def _make_empty(folder: Path) -> str | None:
    try:
        shutil.rmtree(folder, ignore_errors=True)
        # not its parents: a renamed run folder is not made again
        folder.parent.mkdir(exist_ok=True)
        folder.mkdir()
    except OSError as error:
        return str(error)
    return None


def _write(file: Path, tensors: dict[str, Tensor], positions: str) -> dict[str, Any]:
    save_tensors(tensors, file, {"fragments": positions})
    with file.open("rb") as written:
        os.fsync(written.fileno())
    return {file.name: {"bytes": file.stat().st_size, "sha256": sha256_file(file)}}
