"""Writing checkpoints: in the background by choice, committed by all processes together."""

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from launch.atomic_io import fsync_folder, sha256_file, write_atomic
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

WRITE_ERRORS = (OSError, SafetensorError)  # a full disk is either, by who meets it


class CheckpointNotWritten(OSError):
    """The last checkpoint of a run could not be written."""

    exit_status = 2
    on_every_process = True


@runtime_checkable
class State(Protocol):
    """What is saved: an engine, or whatever else owns fragments."""

    @property
    def is_replicated(self) -> bool: ...

    def fragments(self) -> list[Fragment]: ...

    def scalars(self) -> dict[str, float]: ...

    def load_scalars(self, scalars: dict[str, float]) -> None: ...


class _Pending(NamedTuple):
    """A checkpoint that is being written, or whose files are there and are being committed."""

    step: int
    aside: Path
    facts: dict[str, Any]
    job: Future[Any] | None  # of this process, in the background; None: it has nothing to do
    failure: str | None = None
    is_written: bool = False


class Saver:
    """Saves a run's state; every process makes the same calls, in the same order.

    A checkpoint that cannot be written is told to `report` and taken away; the ones before it
    stay, and the run goes on.
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
        self._copies: dict[str, Tensor] = {}
        self._pending: _Pending | None = None
        self._failure: str | None = None

    @property
    def is_busy(self) -> bool:
        """Whether this process still does its part of a checkpoint in the background."""
        job = self._pending and self._pending.job
        return job is not None and not job.done()

    def save(self, step: int, state: State, counters: dict[str, int]) -> None:
        """Saves the state after `step` steps; asynchronous, it returns when that is copied."""
        self.finish()
        aside = self._root / (checkpoint_name(step) + UNFINISHED)
        failure = broadcast_object(_make_empty(aside) if self._processes.is_rank0 else None)
        job = None
        if failure is None and (self._processes.is_rank0 or not state.is_replicated):
            rank, world_size = self._processes.rank, self._processes.world_size
            file = aside / f"state-{rank:05d}-of-{world_size:05d}.safetensors"
            job = self._thread.submit(_write, file, *self._copy(state))
        facts = {"step": step, "scalars": state.scalars(), "counters": counters}
        self._pending = _Pending(step, aside, facts, job, failure)
        if not self._config.async_save:
            self.finish()
            self._copies.clear()

    def finish(self) -> None:
        """Waits until a checkpoint that is being written is one, or is taken away."""
        while self._pending is not None:
            self._poll(self._pending)

    def poll(self, busy: bool) -> None:
        """Takes the next part of a checkpoint; `busy` says that some process `is_busy` with it."""
        if self._pending is not None and not busy:
            self._poll(self._pending)

    def _poll(self, pending: _Pending) -> None:
        """Waits for the present part: the files of all processes, then their becoming one."""
        result, failure = None, pending.failure
        try:
            result = pending.job.result() if pending.job else None
        except WRITE_ERRORS as error:
            failure = str(error)
        parts = gather_objects((result, failure))
        failure = next((failed for _, failed in parts if failed), None)
        if failure is None and not pending.is_written:
            files = {name: facts for part, _ in parts for name, facts in (part or {}).items()}
            first = self._processes.is_rank0
            job = self._thread.submit(self._commit, pending, files) if first else None
            self._pending = pending._replace(job=job, is_written=True)
            return
        self._pending = None
        if self._processes.is_rank0 and failure is not None:
            shutil.rmtree(pending.aside, ignore_errors=True)
            failure = self._explain(pending.step, failure)
            self._report(f"warning: {failure}")
        self._failure = broadcast_object(failure)

    def close(self) -> None:
        """Finishes; raises CheckpointNotWritten where the last checkpoint is not on the disk."""
        self.finish()
        self._thread.shutdown()
        if self._failure is not None:
            raise CheckpointNotWritten(
                f"{self._failure}; make room, and give the same command again"
            )

    def _copy(self, state: State) -> tuple[dict[str, Tensor], str]:
        places: dict[str, tuple[int, tuple[int, ...]]] = {}
        named: dict[str, Tensor] = {}
        for fragment in state.fragments():
            places[fragment.name] = (fragment.start, fragment.shape)
            named |= {f"{key}/{fragment.name}": part for key, part in fragment.tensors.items()}
        for name, tensor in named.items():
            on_gpu = tensor.is_cuda
            if name not in self._copies:
                self._copies[name] = torch.empty_like(tensor, device="cpu", pin_memory=on_gpu)
            self._copies[name].copy_(tensor.detach(), non_blocking=on_gpu)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return dict(self._copies), json.dumps(places)

    def _commit(self, pending: _Pending, files: dict[str, Any]) -> None:
        """Makes the folder a checkpoint in one renaming, and removes those that are too many."""
        final = self._root / checkpoint_name(pending.step)
        write_manifest(pending.aside, {**pending.facts, "files": files})
        fsync_folder(pending.aside)
        shutil.rmtree(final, ignore_errors=True)  # a damaged one that was passed over
        pending.aside.rename(final)
        fsync_folder(self._root)
        try:
            write_atomic(self._root / LATEST, final.name)
            remove_old(self._root, self._config.keep_last, self._config.keep_every)
        except OSError as error:  # the checkpoint itself is whole
            self._report(f"warning: {self._root}: {error}")

    def _explain(self, step: int, failure: str) -> str:
        good = complete_checkpoints(self._root)
        there = f"the last good one is {good[-1].name}" if good else "there is none yet"
        return f"the checkpoint of step {step} was not written ({failure}); {there}"


def _make_empty(folder: Path) -> str | None:
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        return str(error)
    return None


def _write(file: Path, tensors: dict[str, Tensor], places: str) -> dict[str, Any]:
    save_file(tensors, file, {"fragments": places})
    with file.open("rb") as written:
        os.fsync(written.fileno())
    return {file.name: {"bytes": file.stat().st_size, "sha256": sha256_file(file)}}
