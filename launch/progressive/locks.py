"""Locks on files that last as long as the processes that hold them.

Not those of `launch.run.run_lock`, which belong to one process of a run: these pass to a stage's
processes with the file that they write to, need no process group, and may be shared.
"""

import fcntl
import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from launch.lock_owner import read_owner, write_owner
from launch.progressive.console import say
from launch.progressive.yaml_lines import ChainError

CHAIN_LOCK = ".chain.lock"
RECORDS_LOCK = ".records.lock"
STAGE_LOCK = ".stage.{name}.lock"  # a stage may be called chain or records; its name has no dot


@contextmanager
def chain_lock(folder: Path) -> Iterator[None]:
    """Keeps other chains, and jobs of single stages, out of the folder. Raises ChainError."""
    with _held(folder, folder / CHAIN_LOCK, fcntl.LOCK_EX):
        yield


@contextmanager
def stage_lock(folder: Path, name: str) -> Iterator[None]:
    """Keeps whole chains, and others that run this stage, out of the folder. Raises ChainError."""
    with (
        _held(folder, folder / CHAIN_LOCK, fcntl.LOCK_SH),
        _held(folder, folder / STAGE_LOCK.format(name=name), fcntl.LOCK_EX),
    ):
        yield


@contextmanager
def state_lock(folder: Path) -> Iterator[None]:
    """Waits for others who are changing the records."""
    descriptor = _open(folder, folder / RECORDS_LOCK)
    try:
        _lock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def lock(file: IO[bytes]) -> None:
    """Locks an open file for all processes that it is handed on to, until the last of them ends."""
    _lock(file.fileno(), fcntl.LOCK_EX)


def is_locked(path: Path) -> bool:
    """Whether any process that was handed the file is alive."""
    try:
        descriptor = os.open(path, os.O_RDWR)  # NFS locks nothing that is only read
    except FileNotFoundError:
        return False
    try:
        return not _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


@contextmanager
def _held(folder: Path, path: Path, kind: int) -> Iterator[None]:
    descriptor = _open(folder, path)
    try:
        if not _lock(descriptor, kind | fcntl.LOCK_NB):
            owner = read_owner(descriptor, "another chain")
            raise ChainError(
                f"{folder} is in use by {owner}; wait for it or end it, or give the chain another "
                "folder"
            )
        write_owner(descriptor)
        yield
    finally:
        os.close(descriptor)


def _open(folder: Path, path: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ChainError(
            f"{folder} cannot be written ({error.strerror}); give the chain another folder"
        ) from None


def _lock(descriptor: int, kind: int) -> bool:
    """Whether the lock was free; True, with a warning, where the file system has none."""
    try:
        fcntl.flock(descriptor, kind)
    except BlockingIOError:
        return False
    except OSError as error:
        _warn(str(error.strerror))
    return True


@functools.cache
def _warn(reason: str) -> None:
    """Once."""
    say(f"warning: the file system has no locks ({reason}); nothing keeps a second chain out")
