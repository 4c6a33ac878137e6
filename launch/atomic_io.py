"""Atomic writes, trials of outputs, and checksums of files."""

import errno
import hashlib
import os
from pathlib import Path

from launch.errors import ConfigError


def write_atomic(path: Path, text: str) -> None:
    """Replaces a small text file; after a crash it has the old text or the new one.

    An OSError gets the name of the file.
    """
    unfinished = path.with_name(path.name + ".tmp")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def require_writable(path: Path, is_folder: bool = False, option: str = "") -> None:
    """Tries an output before the work for it: a file, or a folder that need not exist yet.

    Raises ConfigError, which begins with the `option` that gave it, such as `--out`.
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
        given = f"{option} {path}" if option else path
        raise ConfigError(
            f"{given}: cannot be written ({error.strerror}); choose another path"
        ) from None


def fsync_folder(folder: Path) -> None:
    """Writes the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_file(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    sha256 = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(2**22):
            sha256.update(chunk)
    return sha256.hexdigest()
