"""Finds the recordings of a source: a folder, a CSV file, a list, or a single file."""

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from video.file_signature import looks_like_video
from video.manifest import ManifestError

VIDEO_SUFFIXES = frozenset(
    {
        ".3gp",
        ".asf",
        ".avi",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
    }
)
PACK_SUFFIX = ".frames"  # a prepared recording
RECORDING_SUFFIXES = VIDEO_SUFFIXES | {PACK_SUFFIX}
# A numbered image: prefix, number, suffix.
NUMBERED = re.compile(r"(.*?)(\d+)(\.(?:jpe?g|png))$", re.IGNORECASE)


def is_frame_folder(folder: Path) -> bool:
    """Whether a folder contains numbered images, and so is a recording itself."""
    return folder.is_dir() and _numbered([file.name for file in folder.iterdir()])


def _numbered(files: list[str]) -> bool:
    return any(NUMBERED.match(file) and file[0] != "." for file in files)


class SourceListing(NamedTuple):
    """The recordings of a source, and the other files of a folder."""

    paths: list[str]  # each once, in a fixed order
    by_content: list[str]  # those of them whose suffix is not one of a video
    others: Counter[str]  # number of other files by suffix

    def notes(self) -> list[str]:
        """What a user should know about the files of a folder."""
        notes = []
        if self.by_content:
            named = ", ".join(Path(path).name for path in self.by_content[:5])
            more = " ..." if len(self.by_content) > 5 else ""
            notes.append(f"taken for video by content: {len(self.by_content)} ({named}{more})")
        if self.others:
            counts = ", ".join(f"{count} {kind}" for kind, count in sorted(self.others.items()))
            notes.append(f"not looked at: {counts}")
        return notes


def find_recordings(source: Path) -> list[str]:
    """The paths of `list_source`."""
    return list_source(source).paths


def list_source(source: Path) -> SourceListing:
    """Finds all recordings of a source.

    A folder is searched recursively for files with the suffix or the content of a video; a
    subfolder with numbered images and no video files is a recording. A CSV file has a header with
    a column `path`. Any other text is a list in VideoMAE's format: `path`, `path label`,
    `path 0 -1`, or `path 0 -1 label`; only the path is used. Relative paths start at the file's
    folder. Raises ManifestError.
    """
    if source.is_dir():
        found = _list_folder(source)
        if not found.paths:
            raise ManifestError(_nothing_found(source))
        return found
    if not source.exists():
        raise ManifestError(
            f"{source} does not exist; give a folder of recordings, a CSV file with "
            "a column `path`, or a list"
        )
    if source.suffix.lower() in RECORDING_SUFFIXES or looks_like_video(source):
        return SourceListing([str(source)], [], Counter())
    numbered = list(_listed(source))
    if not numbered:
        raise ManifestError(f"{source}: lists no recordings; write a line for each recording")
    lines: dict[str, int] = {}
    for number, path in numbered:
        if path in lines:
            raise ManifestError(
                f"{source}:{number}: {path} is also in line {lines[path]}; remove one"
            )
        lines[path] = number
    return SourceListing(list(lines), [], Counter())


def _list_folder(folder: Path) -> SourceListing:
    found: list[str] = []
    by_content: list[str] = []
    others: Counter[str] = Counter()
    for root, files in _walk(folder):
        videos = [file for file in files if file.suffix.lower() in RECORDING_SUFFIXES]
        is_recording = not videos and _numbered([file.name for file in files])
        found += [str(file) for file in videos] + ([str(root)] if is_recording else [])
        for file in files:
            if file in videos or (is_recording and NUMBERED.match(file.name)):
                continue
            if looks_like_video(file):
                by_content.append(str(file))
            else:
                others[file.suffix.lower() or "without suffix"] += 1
    return SourceListing(sorted(found + by_content), sorted(by_content), others)


def _walk(folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Each folder with its files. Follows links, visits each folder once, and skips hidden
    files."""
    entered = set()
    for root, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        real = os.path.realpath(root)
        folders[:] = [] if real in entered else sorted(f for f in folders if f[0] != ".")
        if real in entered:
            continue
        entered.add(real)
        yield Path(root), sorted(Path(root, file) for file in files if file[0] != ".")


def _refuse(error: OSError) -> None:
    raise ManifestError(
        f"folder {error.filename} cannot be listed ({error.strerror}); change its "
        "permissions, or list the recordings in a file"
    )


def _nothing_found(folder: Path) -> str:
    kinds = sorted({p.suffix or p.name for p in folder.rglob("*") if p.is_file()})[:8]
    what = f"contains no recordings, only {', '.join(kinds)}" if kinds else "is empty"
    return (
        f"{folder} {what}; add video files "
        f"({', '.join(sorted(VIDEO_SUFFIXES)[:6])} ...) or folders of numbered images, or choose "
        "another folder"
    )


def read_text(file: Path) -> str:
    """The content of a text file. Raises ManifestError where it is not text."""
    try:
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


def _listed(file: Path) -> Iterator[tuple[int, str]]:
    """Line number and path of every recording in a CSV file or a list."""
    text = read_text(file)
    columns = comma_columns(file, text)
    if "path" in columns:
        rows = csv.DictReader(io.StringIO(text))
        listed = ((rows.line_num, row["path"] or "") for row in rows)
    elif len(columns) > 1:
        raise ManifestError(
            f"{file}:1: has no column path, only {', '.join(columns)[:200]}; rename one to path"
        )
    else:
        lines = enumerate(text.splitlines(), start=1)
        listed = ((number, line.strip()) for number, line in lines if line.strip())
    for number, entry in listed:
        yield number, _existing(file, number, entry, as_list="path" not in columns)


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
