"""Excludes recordings, for example those of a test set or with withdrawn consent."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from video.fingerprint import content_digest
from video.manifest import ManifestError
from video.recording import Recording
from video.recording_lists import comma_columns, read_text


class Exclusion(NamedTuple):
    """The result of an exclude list."""

    included: list[Recording]
    excluded: list[Recording]
    unmatched: list[str]  # entries that match no recording
    unmatched_files: dict[str, str]  # the paths of those of them that are files or folders


def exclude(recordings: Sequence[Recording], file: Path) -> Exclusion:
    """Excludes the recordings that a list names.

    An entry is a path, relative to the list's folder, or a file name with or without its suffix
    (`video41`). An entry also matches recordings prepared from the named file, and copies of it.
    Raises ManifestError where the list cannot be read.
    """
    entries = _entries(file)
    named: dict[str, str] = {key: entry for entry in entries for key in _keys(entry, file)}
    included: list[Recording] = []
    excluded: list[Recording] = []
    matched: set[str] = set()
    for recording in recordings:
        contents = {recording.content, recording.original_content}
        matches = {named[key] for key in recording_names(recording) | contents if key in named}
        matched |= matches
        (excluded if matches else included).append(recording)
    unmatched = [entry for entry in entries if entry not in matched]
    paths = {entry: file.parent / entry for entry in unmatched}
    files = {entry: str(path) for entry, path in paths.items() if path.exists()}
    return Exclusion(included, excluded, unmatched, files)


def _entries(file: Path) -> list[str]:
    """The column `path` of a CSV file, or the lines of a list."""
    text = read_text(file)
    if "path" in comma_columns(file, text):
        rows = csv.DictReader(io.StringIO(text))
        return [row["path"] for row in rows if row["path"]]
    return [line.strip() for line in text.splitlines() if line.strip()]


def _keys(entry: str, file: Path) -> list[str]:
    """The keys by which an entry matches recordings. Raises ManifestError."""
    path = file.parent / entry
    if path.exists():
        try:
            # what only has this name counts too, whatever lies beside the list
            return [os.path.realpath(path), content_digest(str(path)), entry]
        except OSError as error:
            raise ManifestError(
                f"{file}: {entry} cannot be read ({error.strerror}), so its copies cannot be "
                "found; restore it, or write its name alone in a list elsewhere"
            ) from None
    return [entry] if os.sep not in entry else [os.path.realpath(path)]


def recording_names(recording: Recording) -> set[str]:
    """The names of a recording: real path, file name and stem, and those of its original."""
    paths = [path for path in (recording.path, recording.original) if path]
    names = {name for path in paths for name in (Path(path).name, Path(path).stem)}
    return names | {os.path.realpath(path) for path in paths}
