"""One run in a folder at a time."""

import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launch.processes import Processes, first_does
from launch.recipe import ConfigError

LOCK_FILE = ".lock"


@contextmanager
def locked(folder: Path, processes: Processes) -> Iterator[None]:
    """Keeps other runs out of a folder while the body runs; the system lifts it from the dead.

    Raises ConfigError on every process where another run is at work there, with what is known of
    it, or where the folder cannot be written.
    """
    held: list[int] = []
    first_does(processes, lambda: held.append(_lock(folder)))
    try:
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)


def _lock(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ConfigError(
            f"run: {folder} cannot be written ({error.strerror}); give another run=FOLDER"
        ) from None
    try:
        # of the process, not of the file as opened: loader workers must not inherit it
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        raise ConfigError(
            f"run: {folder} is in use by {_read(descriptor)}; wait for it or end it, or give "
            "another run=FOLDER"
        ) from None
    except OSError as error:
        print(
            f"warning: {folder}: its file system has no locks ({error.strerror}); nothing keeps a "
            "second run out of it",
            flush=True,
        )
        return descriptor
    owner = {
        "host": platform.node(),
        "process": os.getpid(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(owner).encode(), 0)
    return descriptor


def _read(descriptor: int) -> str:
    try:
        owner = json.loads(os.pread(descriptor, 4096, 0))
        job = f", SLURM job {owner['slurm_job']}" if owner["slurm_job"] else ""
        return f"process {owner['process']} on {owner['host']}{job} since {owner['since']}"
    except (ValueError, KeyError, TypeError):
        return "another run"
