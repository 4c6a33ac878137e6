"""Files that survive a crash, and how to know their bytes again."""

import hashlib
import os
from pathlib import Path


def write_atomic(path: Path, text: str) -> None:
    """Replaces a small text file; after a crash it holds the old text or the new."""
    aside = path.with_name(path.name + ".tmp")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def fsync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a crash."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_file(file: Path) -> str:
    """The file's sha256, in hexadecimal."""
    sha256 = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(2**22):
            sha256.update(chunk)
    return sha256.hexdigest()
