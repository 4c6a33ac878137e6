"""Numbered images: the names of the frames of a folder."""

import re
from collections.abc import Iterable
from pathlib import Path

# Prefix, number, suffix.
NUMBERED = re.compile(r"(.*?)(\d+)(\.(?:jpe?g|png))$", re.IGNORECASE)


def is_frame_folder(folder: Path) -> bool:
    """Whether a folder contains numbered images, and so is a recording itself."""
    return folder.is_dir() and has_numbered(file.name for file in folder.iterdir())


def has_numbered(names: Iterable[str]) -> bool:
    """Whether one of the file names is that of a numbered image."""
    return any(NUMBERED.match(name) and name[0] != "." for name in names)
