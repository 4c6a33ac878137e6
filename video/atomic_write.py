"""Atomic writes: a file is complete or absent. Outputs are tried before the work for them."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL_SUFFIX = ".partial"


class OutputError(OSError):
    """A file cannot be written; no recording is to blame."""

    exit_status = 2

    def __str__(self) -> str:
        cure = "choose another path"
        if self.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            cure = "free disk space and run the same command again; complete files are kept"
        return f"{self.filename}: {self.strerror}; {cure}"


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


def require_writable(path: Path, is_folder: bool = False) -> None:
    """Tries an output before the work for it: a file, or a folder that need not exist yet.

    Raises OutputError.
    """
    try:
        if is_folder:
            existing = next(each for each in (path, *path.parents) if each.exists())
            trial = existing / f".{os.getpid()}.tmp"
        elif path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        else:
            trial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise OutputError(error.errno, error.strerror, str(path)) from None


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
