"""Files that are complete or absent."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = ".draft"


@contextmanager
def atomic_writer(file: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `file` when all went well, and goes if not.

    What was written survives a crash. An OSError gets the name of `file`.
    """
    draft = file.with_name(f".{file.name}.{os.getpid()}{SUFFIX}")
    try:
        yield draft
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(file)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from None
    finally:
        draft.unlink(missing_ok=True)


def remove_partial_files(folder: Path) -> None:
    """Removes what calls that were killed left half-written in a folder and below it."""
    for draft in folder.rglob(f".*{SUFFIX}"):
        draft.unlink(missing_ok=True)
