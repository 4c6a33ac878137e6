"""The frame of a command-line program: errors of our own become one line and exit status 2."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn


def run_program(name: str, main: Callable[[], int | None]) -> int:
    """Runs `main` and returns the exit status.

    An exception that carries `exit_status` was made for the user and is shown as one line; any
    other keeps its traceback.
    """
    try:
        return main() or 0
    except KeyboardInterrupt:
        sys.stderr.write(f"{name}: interrupted\n")
        return 130
    except Exception as error:
        status = getattr(error, "exit_status", None)
        if status is None:
            raise
        if getattr(error, "on_every_process", False) and _rank() != "0":
            return int(status)  # the first process says it
        sys.stderr.write(f"{name}: {error}\n")
        return int(status)


def leave(status: int) -> NoReturn:
    """Ends the process; at once after a failure.

    The threads of a process group that lost a member may abort an orderly exit (SIGABRT).
    """
    if not status:
        sys.exit(0)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _rank() -> str:
    return os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or "0"
