"""File locks of a chain's folder; the system releases those of a process that ends.

`launch.run.run_lock` is another kind: a POSIX lock of one process of a run. These are `flock`
locks, because jobs of single stages share the lock of the chain.
"""

import fcntl
import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launch.lock_owner import read_owner, write_owner
from launch.progressive.chain import ChainError

CHAIN_LOCK = ".chain.lock"
STATE_LOCK = ".records.lock"
STAGE_LOCK = ".stage.{name}.lock"  # a stage may be named chain or records; its name has no dot


@contextmanager
def chain_lock(folder: Path) -> Iterator[None]:
    """Excludes other chains, and jobs of single stages. Raises ChainError if one is running."""
    with _lock(folder, CHAIN_LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB):
        yield


@contextmanager
def stage_lock(folder: Path, name: str) -> Iterator[None]:
    """Excludes whole chains, and other jobs of this stage. Raises ChainError if one is running."""
    with (
        _lock(folder, CHAIN_LOCK, fcntl.LOCK_SH | fcntl.LOCK_NB),
        _lock(folder, STAGE_LOCK.format(name=name), fcntl.LOCK_EX | fcntl.LOCK_NB),
    ):
        yield


@contextmanager
def state_lock(folder: Path) -> Iterator[None]:
    """Waits until no other process is changing `chain.json`."""
    with _lock(folder, STATE_LOCK, fcntl.LOCK_EX):
        yield


def lock_conflict(folder: Path) -> str:
    """Which process runs a chain, or a stage of it, in this folder; empty if none does."""
    if not (folder / CHAIN_LOCK).exists():
        return ""
    try:
        with chain_lock(folder):
            return ""
    except ChainError as error:
        return str(error)


@contextmanager
def _lock(folder: Path, name: str, flags: int) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise ChainError(
            f"{folder} cannot be written ({error.strerror}); give the chain another folder"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, flags)
        except BlockingIOError:
            owner = read_owner(descriptor, "another chain")
            raise ChainError(
                f"{folder} is in use by {owner}; wait for it or end it, or give the chain another "
                "folder"
            ) from None
        except OSError as error:
            _warn_once(str(error.strerror))
        if flags & fcntl.LOCK_NB:  # others do not wait, but say who holds it
            write_owner(descriptor)
        yield
    finally:
        os.close(descriptor)


@functools.cache
def _warn_once(reason: str) -> None:
    print(
        f"chain: warning: the file system has no locks ({reason}); a second chain in this folder "
        "would not be noticed",
        flush=True,
    )
