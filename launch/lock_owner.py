"""The owner of a lock, written into the lock file for error messages."""

import json
import os
import platform
import time


def write_owner(descriptor: int) -> None:
    """Writes this process into an open lock file."""
    owner = {
        "host": platform.node(),
        "process": os.getpid(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(owner).encode(), 0)


def read_owner(descriptor: int, unknown: str) -> str:
    """The owner as text; `unknown` if the file has none."""
    try:
        owner = json.loads(os.pread(descriptor, 4096, 0))
        job = f", SLURM job {owner['slurm_job']}" if owner["slurm_job"] else ""
        return f"process {owner['process']} on {owner['host']}{job} since {owner['since']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return unknown
