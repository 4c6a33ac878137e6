"""Who holds a lock, as written into its file for those whom it keeps out."""

import json
import os
import platform
import time


def write_owner(descriptor: int) -> None:
    """Says in an open lock's file that this process holds it."""
    owner = {
        "host": platform.node(),
        "process": os.getpid(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(owner).encode(), 0)


def read_owner(descriptor: int, unknown: str) -> str:
    """Who holds it, in words; `unknown` where the file does not say."""
    try:
        owner = json.loads(os.pread(descriptor, 4096, 0))
        job = f", SLURM job {owner['slurm_job']}" if owner["slurm_job"] else ""
        return f"process {owner['process']} on {owner['host']}{job} since {owner['since']}"
    except (ValueError, KeyError, TypeError):
        return unknown
