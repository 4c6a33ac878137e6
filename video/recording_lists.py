"""Text files that list recordings: a CSV file with a column `path`, or a list of paths."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from video.manifest import ManifestError
from video.numbered_images import is_frame_folder


class ListedRecording(NamedTuple):
    """A recording in a list."""

    line: int
    path: str
    stream: int | None  # the video stream that is read, from a column `stream`


def read_text(file: Path) -> str:
    """The content of a text file. Raises ManifestError where it is not text.

    A pipe or a device is not opened, because it may never end.
    """
    try:
        if file.exists() and not file.is_file():
            raise OSError("not a regular file")
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(
            f"{file}: cannot be read as text ({error}); give a folder, a CSV file or a list"
        ) from None


def comma_columns(file: Path, text: str) -> list[str]:
    """The columns of a CSV file; other separators of a column `path` raise ManifestError."""
    header = text.partition("\n")[0]
    for name, separator in (("semicolons", ";"), ("tabs", "\t")):
        cells = [cell.strip(' "\r') for cell in header.split(separator)]
        if "path" in cells and len(cells) > 1:
            raise ManifestError(
                f"{file}:1: its columns are separated by {name}; separate them by commas"
            )
    return next(csv.reader(io.StringIO(text)), [])


def listed_recordings(file: Path) -> Iterator[ListedRecording]:
    """Every recording in a CSV file or a list. Raises ManifestError."""
    text = read_text(file)
    columns = comma_columns(file, text)
    if "path" in columns:
        rows = csv.DictReader(io.StringIO(text))
        for row in rows:
            path = _existing(file, rows.line_num, row["path"] or "", as_list=False)
            yield ListedRecording(rows.line_num, path, _stream(file, rows.line_num, row))
        return
    if len(columns) > 1:
        raise ManifestError(
            f"{file}:1: has no column path, only {', '.join(columns)[:200]}; rename one to path"
        )
    for number, line in enumerate(text.splitlines(), start=1):
        if entry := line.strip():
            yield ListedRecording(number, _existing(file, number, entry, as_list=True), None)


def _stream(file: Path, line: int, row: dict[str, str | None]) -> int | None:
    """The video stream that a row chooses."""
    text = (row.get("stream") or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 6:
        return int(text)
    raise ManifestError(
        f"{file}:{line}: stream {text!r:.100} is not the number of a stream; write it as ffprobe "
        "counts, or leave it empty"
    )


def _existing(file: Path, number: int, entry: str, as_list: bool) -> str:
    """The file in a line; in a list, up to three words after it are ignored."""
    words = entry.rsplit(maxsplit=3) if as_list else []
    candidates = [entry] + [entry.rsplit(maxsplit=n)[0] for n in (1, 2, 3) if len(words) > n]
    for candidate in filter(None, candidates):
        path = file.parent / candidate
        if path.is_dir() and not is_frame_folder(path):
            raise ManifestError(
                f"{file}:{number}: {candidate} is a folder without numbered images; list the "
                "files in it"
            )
        if path.exists():
            return str(path)
    raise ManifestError(
        f"{file}:{number}: {entry!r} does not exist; correct the path (relative paths start at "
        f"{file.parent})"
    )
