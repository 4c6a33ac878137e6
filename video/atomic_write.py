"""Atomic writes: a file is complete or absent."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL_SUFFIX = ".partial"


class OutputError(OSError):
    """A file cannot be written; no recording is to blame."""


@contextmanager
def atomic_writer(file: Path) -> Iterator[Path]:
    """A temporary path that replaces `file` on success and is removed on failure.

    The content is synced to disk first. Raises OutputError, with the name of `file`.
    """
    partial = file.with_name(f".{file.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(file)
    except OSError as error:
        raise OutputError(error.errno, error.strerror, str(file)) from None
    finally:
        partial.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Makes a folder for output, and those above it. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(error.errno, error.strerror, str(folder)) from None


def remove_partial_files(folder: Path) -> None:
    """Removes the temporary files of killed processes in a folder and its subfolders."""
    for partial in folder.rglob(f".*{PARTIAL_SUFFIX}"):
        partial.unlink(missing_ok=True)
