"""The frame of a command-line program: errors of our own become one line and exit status 2."""

import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn


def run_program(name: str, main: Callable[[], int | None]) -> int:
    """Runs `main` and returns the exit status.

    An exception that carries `exit_status` was made for the user and is shown as one line; any
    other is shown with its traceback, and the line that says what happened comes last. What
    happens on every process of a run is said by the first one alone.
    """
    try:
        return main() or 0
    except KeyboardInterrupt:
        sys.stderr.write(f"{name}: interrupted\n")
        return 130
    except Exception as error:
        status = getattr(error, "exit_status", None)
        if getattr(error, "on_every_process", False):
            if _rank() == "0":
                sys.stderr.write(f"{name}: {error}\n")
        elif status is not None:
            sys.stderr.write(f"{name}: {_rank_prefix()}{error}\n")
        else:
            traceback.print_exc()
            sys.stderr.write(f"{name}: {_rank_prefix()}{type(error).__name__}: {error}\n")
            _write_torchelastic_error(error)
        return 1 if status is None else int(status)


def exit_process(status: int) -> NoReturn:
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


def _rank_prefix() -> str:
    """Which process speaks, where there are several."""
    world_size = os.environ.get("WORLD_SIZE", "1")
    if world_size == "1":
        return ""
    return f"rank {_rank()} of {world_size} on {platform.node()} failed: "


def _write_torchelastic_error(error: Exception) -> None:
    """Leaves the cause where torchrun looks for it, who prints it last of all."""
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if file:
        details = {"py_callstack": traceback.format_exc(), "timestamp": str(int(time.time()))}
        message = {"message": f"{type(error).__name__}: {error}", "extraInfo": details}
        Path(file).write_text(json.dumps({"message": message}))
