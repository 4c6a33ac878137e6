"""Recordings that must not be used: those of a test set, those of whom consent was withdrawn."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from video.discover import read_text
from video.fingerprint import content_digest
from video.recording import Recording


class Exclusion(NamedTuple):
    """What an exclude list did."""

    included: list[Recording]
    excluded: list[Recording]
    unmatched: list[str]  # entries that no recording answers to


def exclude(recordings: Sequence[Recording], file: Path) -> Exclusion:
    """Leaves out the recordings that a list names.

    An entry is a path, relative ones starting at the list's folder, or a bare name with or without
    its ending (`video41`). A recording also answers to the path, name and content of the original
    that it was prepared from, and a copy of a named file to its content. Raises ManifestError
    where the list cannot be read.
    """
    entries = _entries(file)
    named: dict[str, str] = {key: entry for entry in entries for key in _keys(entry, file.parent)}
    kept: list[Recording] = []
    excluded: list[Recording] = []
    matched: set[str] = set()
    for recording in recordings:
        contents = {recording.content, recording.original_content}
        hits = {named[key] for key in recording_names(recording) | contents if key in named}
        matched |= hits
        (excluded if hits else kept).append(recording)
    return Exclusion(kept, excluded, [entry for entry in entries if entry not in matched])


def _entries(file: Path) -> list[str]:
    """The column `path` of a CSV file, or the lines of a list as they are."""
    text = read_text(file)
    rows = csv.DictReader(io.StringIO(text))
    if "path" in (rows.fieldnames or []):
        return [row["path"] for row in rows if row["path"]]
    return [line.strip() for line in text.splitlines() if line.strip()]


def _keys(entry: str, folder: Path) -> list[str]:
    """What recordings are looked up by for an entry."""
    path = folder / entry
    if path.exists():
        return [os.path.realpath(path), content_digest(str(path))]
    return [entry] if os.sep not in entry else [os.path.realpath(path)]


def recording_names(recording: Recording) -> set[str]:
    """What a recording may be called: its real path, its name, and those of its original."""
    paths = [path for path in (recording.path, recording.original) if path]
    names = {name for path in paths for name in (Path(path).name, Path(path).stem)}
    return names | {os.path.realpath(path) for path in paths}
