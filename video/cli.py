"""The command line of `python -m video`."""

import io
import sys
from collections.abc import Sequence

from video.atomic_write import OutputError
from video.cli_args import parser
from video.text_table import single_line


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit status; errors that users can fix are one line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names need not be UTF-8
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except OSError as error:
        reason = str(OutputError(error.errno, error.strerror, error.filename or options.out))
    except Exception as error:
        if getattr(error, "exit_status", None) != 2:
            raise
        reason = str(error)
    sys.stderr.write(f"video: {single_line(reason)}\n")
    return 2
