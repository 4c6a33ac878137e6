"""Manifests: CSV files with a row for each recording and its properties."""

import csv
import difflib
import hashlib
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from video.atomic_write import atomic_writer
from video.changes import ABSENT, CHANGED, describe_changes, find_changed_files
from video.recording import Recording, UnreadableVideo, format_spans

# A damaged recording may have more holes than the 128 KiB that a cell may have by default.
csv.field_size_limit(sys.maxsize)
MAX_HEADER_BYTES = 65_536  # of a manifest's first line; a video has no lines
NAMES = "surrogateescape"  # file names need not be UTF-8; their bytes are written as they are

COLUMNS = {field.name: field for field in fields(Recording)}
MEASURED = [name for name, field in COLUMNS.items() if field.default is MISSING and name != "path"]
ROW = TypeAdapter(Recording)
# what clips are drawn by and how they are read
CLIP_COLUMNS = (
    *("reader", "fps", "frames", "seconds", "width", "height", "first", "rotation"),
    *("holes", "black", "frozen", "view", "motion"),
)


class ManifestError(ValueError):
    """A manifest, list or folder of recordings that cannot be used; names the line and the cure."""

    exit_status = 2


@contextmanager
def naming_key(key: str) -> Iterator[None]:
    """Puts the key of a recipe that gives a source before the ManifestError of the body."""
    try:
        yield
    except ManifestError as error:
        raise ManifestError(f"{key}: {error}") from None


def write_manifest(recordings: Sequence[Recording], file: Path) -> None:
    """Writes a row for each recording and a column for each field; the file is complete or absent.

    Paths below the manifest's folder are written relative to it, so both can be moved together.
    """
    with (
        atomic_writer(file) as draft,
        draft.open("w", encoding="utf-8", errors=NAMES, newline="") as out,
    ):
        writer = csv.DictWriter(out, list(COLUMNS))
        writer.writeheader()
        writer.writerows(
            row_from(recording) | {"path": _relative_path(recording.path, file.parent)}
            for recording in recordings
        )


def row_from(recording: Recording) -> dict[str, str]:
    """A recording as text, by column."""
    return {name: _text(getattr(recording, name)) for name in COLUMNS}


def _relative_path(path: str, folder: Path) -> str:
    absolute, base = Path(path).absolute(), folder.absolute()
    return str(absolute.relative_to(base) if absolute.is_relative_to(base) else absolute)


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return format_spans(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def is_manifest(file: Path) -> bool:
    """Whether a file has the columns of `write_manifest`, and not only paths."""
    columns = manifest_columns(file)
    return "path" in columns and not set(MEASURED).isdisjoint(columns)


def manifest_columns(file: Path) -> list[str]:
    """The columns of a CSV file; none where it is not a file, or cannot be read."""
    try:
        if not file.is_file():
            return []
        with file.open("rb") as opened:
            text = opened.read(MAX_HEADER_BYTES).decode("utf-8-sig", NAMES)
    except OSError:
        return []
    return next(csv.reader(io.StringIO(text.replace("\0", ""), newline="")), [])


def read_manifest(file: Path) -> list[Recording]:
    """The rows of a manifest. Raises ManifestError, with the line, where a row is invalid.

    Extra columns are ignored, but a column whose name is close to a known one is refused.
    """
    if not file.is_file():
        raise ManifestError(f"{file}: is missing; restore it, or set another run=FOLDER")
    text = file.read_bytes().decode("utf-8-sig", NAMES)
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        return _read_rows(rows, file)
    except csv.Error as error:
        raise ManifestError(
            f"{file}:{rows.reader.line_num}: is not CSV ({error}); let `python -m video check` "
            "write the file"
        ) from None


def _read_rows(rows: Any, file: Path) -> list[Recording]:
    """`rows`: a csv.DictReader, whose type takes no parameter before Python 3.12."""
    header = list(rows.fieldnames or [])
    for name in ("path", *MEASURED):
        if name not in header:
            raise ManifestError(
                f"{file}:1: column {name} is missing; let `python -m video check` write the file, "
                "or keep only the column path"
            )
    for name in set(header) - COLUMNS.keys():
        if near := difflib.get_close_matches(name, list(COLUMNS), 1, 0.8):
            raise ManifestError(f"{file}:1: column {name} is unknown; did you mean {near[0]}?")
    recordings: list[Recording] = []
    lines: dict[str, int] = {}
    for row in rows:
        recording = recording_from(row, f"{file}:{rows.line_num}")
        recording = replace(recording, path=str(file.parent / recording.path))
        if recording.path in lines:
            raise ManifestError(
                f"{file}:{rows.line_num}: {recording.path} is also in line "
                f"{lines[recording.path]}; remove one"
            )
        lines[recording.path] = rows.line_num
        recordings.append(recording)
    if not recordings:
        raise ManifestError(f"{file}: lists no recordings; add a row for each recording")
    return recordings


def recording_from(row: Mapping[str, str | None], location: str) -> Recording:
    """The inverse of `row_from`. Raises ManifestError, which names the location."""
    try:
        return _parsed(row)
    except ValueError as error:
        raise ManifestError(
            f"{location}: {error}; correct the row, or let `python -m video check` write the file"
        ) from None


def as_listed(recording: Recording) -> Recording:
    """The recording as it is read from a manifest. Raises UnreadableVideo where it cannot be."""
    try:
        return _parsed(row_from(recording))
    except ValueError as error:
        raise UnreadableVideo(
            recording.path, f"was measured wrongly, {error}; please report this with the file"
        ) from None


def _parsed(row: Mapping[str, str | None]) -> Recording:
    """A row as a recording. Raises ValueError, which names the column."""
    given = {name: row[name] for name in COLUMNS if row.get(name)}
    try:
        return ROW.validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        column = str(first["loc"][0])
        what = "is empty" if first["type"] == "missing" else f"is {row.get(column)!r:.200}"
        raise ValueError(f"{column} {what}: {first['msg'].lower()}") from None


def clip_values(recording: Recording) -> dict[str, str]:
    """The columns that decide which clips are drawn and how they are read; defaults are left out.

    Columns of later versions do not change it while they have their defaults.
    """
    values = {name: getattr(recording, name) for name in CLIP_COLUMNS}
    return {name: _text(value) for name, value in values.items() if value != COLUMNS[name].default}


def rows_digest(recordings: Sequence[Recording]) -> str:
    """SHA-256 of recordings in their order, by content, wherever they are."""
    rows = [
        # files with one stream have the digests of versions that did not know streams
        (each.content, each.source, clip_values(each), *([each.stream] if each.stream else []))
        for each in recordings
    ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def require_unchanged(recordings: Sequence[Recording], file: Path) -> None:
    """Raises ManifestError where recordings are missing, or have changed since they were checked.

    Contents are compared by the digests of `content_digest`, or sizes where a row has no digest.
    """
    missing, changed = find_changed_files(recordings)
    if missing:
        raise ManifestError(
            f"{file}: {describe_changes({ABSENT: missing})}; restore the files, or remove their "
            "rows"
        )
    if changed:
        raise ManifestError(
            f"{file}: {describe_changes({CHANGED: changed})} since they were checked; run "
            "`python -m video check` again"
        )
