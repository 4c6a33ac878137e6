"""The frame of every command-line program: `--version`, errors and exit status."""

import io
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from launch.version import NAME, VERSION


def run_program(name: str, main: Callable[[], int | None]) -> int:
    """Runs `main` and returns the exit status; `--version` alone prints the version.

    An exception with `exit_status` is an error of the user and printed as one line. Any other is
    printed with its traceback, the message last. Where an exception has `on_every_process`, only
    rank 0 prints it.
    """
    if sys.argv[1:] == ["--version"]:
        print(f"{NAME} {VERSION}")
        return 0
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names need not be UTF-8
    try:
        return main() or 0
    except KeyboardInterrupt:
        sys.stderr.write(f"{name}: interrupted\n")
        return 130
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has ended
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  # nothing is flushed at exit
        return 0
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
    """Ends the process; after a failure without cleaning up.

    The threads of a process group that lost a member may abort a clean exit (SIGABRT).
    """
    if not status:
        sys.exit(0)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _rank() -> str:
    return os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or "0"


def _rank_prefix() -> str:
    """The rank and host of this process, if there are several."""
    world_size = os.environ.get("WORLD_SIZE", "1")
    if world_size == "1":
        return ""
    return f"rank {_rank()} of {world_size} on {platform.node()} failed: "


def _write_torchelastic_error(error: Exception) -> None:
    """Writes the error to the file that torchrun reads and prints at its end."""
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if file:
        details = {"py_callstack": traceback.format_exc(), "timestamp": str(int(time.time()))}
        message = {"message": f"{type(error).__name__}: {error}", "extraInfo": details}
        Path(file).write_text(json.dumps({"message": message}))
