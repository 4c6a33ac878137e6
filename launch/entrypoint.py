"""The frame of every command-line program: `--version`, errors and exit status."""

import errno
import io
import json
import multiprocessing
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from launch.version import NAME, VERSION

# By the number of the error, its cure.
NO_SPACE = {
    errno.ENOSPC: "free space",
    errno.EDQUOT: "free space within the quota",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
}


def run_program(name: str, main: Callable[[], int | None]) -> int:
    """Runs `main` and returns the exit status; `--version` alone prints the version.

    An exception with `exit_status` is an error of the user and printed as one line, as is a full
    disk or quota. Any other is printed with its traceback, the message last. Where an exception has
    `on_every_process`, only rank 0 prints it.
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
        _write_error(f"{name}: interrupted\n")
        return 130
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has ended
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  # nothing is flushed at exit
        return 0
    except MemoryError as error:
        _write_error(
            f"{name}: {_rank_prefix()}not enough memory ({error or 'no size is known'}); take a "
            "smaller model, clip or batch, or data in smaller parts\n"
        )
        return 2
    except Exception as error:
        status = getattr(error, "exit_status", None)
        if getattr(error, "on_every_process", False):
            if _rank() == "0":
                _write_error(f"{name}: {error}\n")
        elif status is not None:
            _write_error(f"{name}: {_rank_prefix()}{error}\n")
        elif isinstance(error, OSError) and error.errno in NO_SPACE:
            place = error.filename or "the standard output, or a file"
            _write_error(
                f"{name}: {_rank_prefix()}{place}: cannot be written ({error.strerror}); "
                f"{NO_SPACE[error.errno]}, and run the same command again\n"
            )
            status = 2
        else:
            line = f"{name}: {_rank_prefix()}{type(error).__name__}: {error}\n"
            _write_error(f"{traceback.format_exc()}{line}")
            _write_torchelastic_error(error)
        return 1 if status is None else int(status)


def exit_process(status: int) -> NoReturn:
    """Ends the process and its loader workers; after a failure without cleaning up.

    The threads of a process group that lost a member may abort a clean exit (SIGABRT). Workers
    ignore SIGTERM, with which Python would end them before it waits for them.
    """
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()
    if not status:
        sys.exit(0)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # of a full disk; the process must not stay
            stream.flush()
    os._exit(status)


def _write_error(text: str) -> None:
    """Writes to standard error, even if that is a file on a full disk: the process must end.

    Control characters, of a file name for example, are escaped: a terminal would obey them.
    """
    text = "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


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
        with suppress(OSError):
            Path(file).write_text(json.dumps({"message": message}))
