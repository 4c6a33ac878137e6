"""One run in a folder at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launch.distributed.process_group import Processes, run_on_rank0
from launch.errors import ConfigError
from launch.lock_owner import read_owner, write_owner

LOCK_FILE = ".lock"


@contextmanager
def run_lock(folder: Path, processes: Processes) -> Iterator[None]:
    """Locks a folder while the body runs; the lock ends with the process.

    Raises ConfigError on every process if another run has the lock, with its owner, or if the
    folder cannot be written.
    """
    descriptors: list[int] = []
    run_on_rank0(processes, lambda: descriptors.append(_lock(folder)))
    try:
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _lock(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise ConfigError(
            f"run: {folder} cannot be written ({error.strerror}); give another run=FOLDER"
        ) from None
    try:
        # a lock of the process, not of the open file: loader workers must not inherit it
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        owner = read_owner(descriptor, "another run")
        raise ConfigError(
            f"run: {folder} is in use by {owner}; wait for it or end it, or give another run=FOLDER"
        ) from None
    except OSError as error:
        print(
            f"warning: {folder}: its file system has no locks ({error.strerror}); a second run in "
            "it would not be noticed",
            flush=True,
        )
        return descriptor
    write_owner(descriptor)
    return descriptor
