"""Lists of labelled clips: whole recordings, or stretches of them, with a label each.

- a list with a line `path label`, as VideoMAE's, or `path,label`; a path may have blanks
- CSV with a first line of columns: `path`, perhaps `start` and `end` in seconds, and either `label`
  or a column for each class with 1, 0, or, where it is not known, -1 or nothing
- class folders: `ROOT/CLASS/recording.mp4`, or of each part `ROOT/train/CLASS/recording.mp4`
Relative paths start at the list's folder. A label is a class by name, or an integer; the label -1
says that it is not known.
"""

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from finetune.data.splits import PARTS
from video.discover import RECORDING_SUFFIXES, find_recordings
from video.labels.csv_rows import (
    CsvRow,
    parse_seconds,
    parse_value,
    read_header,
    read_label_text,
    read_rows,
)
from video.labels.csv_table import SEGMENT_COLUMNS
from video.labels.segments import ClipEntry, LabelError
from video.manifest import ManifestError

NUMBERS = re.compile(r"^(.+?)(?:\s+-?\d+){1,2}$")  # a path, and one or two numbers
LOOKED_AT = 32  # lines of a list, for whether it has commas or blanks before the labels
Entries = dict[str, list[ClipEntry]]
"""Clips by part."""


def read_parts(clips: Path | Mapping[str, Path]) -> Entries:
    """The clips of each part.

    `clips`: a list, CSV file or folder for each part; a path with `{part}`, of which those are read
    that exist; a folder with folders `train`, `val` or `test`; or anything else that `read_clips`
    reads, which then is all `train`. Raises LabelError.
    """
    if isinstance(clips, Mapping):
        for part in clips:
            if part not in PARTS:
                raise LabelError(f"clips: {part!r} is none of {', '.join(PARTS)}")
        return {part: read_clips(clips[part]) for part in PARTS if part in clips}
    if "{part}" in str(clips):
        paths = {part: Path(str(clips).replace("{part}", part)) for part in PARTS}
        found = {part: path for part, path in paths.items() if path.exists()}
        if not found:
            looked = ", ".join(str(path) for path in paths.values())
            raise LabelError(f"{clips}: names no list; looked for {looked}")
        return read_parts(found)
    parts = _part_folders(clips) if clips.is_dir() else {}
    return read_parts(parts) if parts else {"train": read_clips(clips)}


def read_clips(path: Path) -> list[ClipEntry]:
    """The clips of a list, a CSV file, or class folders. Raises LabelError with file and line."""
    if path.is_dir():
        if parts := _part_folders(path):
            raise LabelError(f"{path}: has {', '.join(parts)}; give the folder of one part")
        entries = list(_class_folders(path))
    else:
        text = read_label_text(path)
        first = text.partition("\n")[0]
        if "path" in [name.strip() for name in first.split(",")]:
            entries = list(_table(path, text))
        elif first.split()[:1] == ["path"]:
            raise LabelError(f"{path}:1: columns want commas between them, not {first[:60]!r}")
        else:
            entries = list(_list(path, text))
    if not entries:
        raise LabelError(f"{path}: holds no clips")
    return entries


def paths_of(entries: Iterable[ClipEntry]) -> list[str]:
    """The files to open: absolute, each once, in the order of the clips."""
    first: dict[str, str] = {}
    for entry in entries:
        first.setdefault(os.path.realpath(entry.path), entry.path)
    return list(first.values())


def _table(path: Path, text: str) -> Iterator[ClipEntry]:
    columns = read_header(path, text)
    classes = [name for name in columns if name not in ("path", *SEGMENT_COLUMNS)]
    if "label" in columns:
        classes = []  # others are the user's own
    elif not classes or not all(classes):
        raise LabelError(
            f"{path}:1: has the columns {', '.join(columns)}; clips want a column label, or one "
            "with a name for each class"
        )
    if len({*SEGMENT_COLUMNS} & {*columns}) == 1:
        raise LabelError(f"{path}:1: has one of start and end; a stretch has both")
    for row in read_rows(path, text):
        if not row.cells["path"]:
            raise LabelError(f"{row.location}: has no path")
        label = {each: parse_value(row.location, each, row.cells[each]) for each in classes}
        if not classes and not row.cells["label"]:
            raise LabelError(f"{row.location}: has no label")
        absolute = _absolute(path, row.cells["path"], row.location)
        yield ClipEntry(absolute, label or row.cells["label"], *_stretch(row), str(path), row.line)


def _stretch(row: CsvRow) -> tuple[float | None, float | None]:
    start, end = (
        parse_seconds(row.location, row.cells[name]) if row.cells.get(name) else None
        for name in SEGMENT_COLUMNS
    )
    if end is not None and not (start or 0.0) < end:
        raise LabelError(f"{row.location}: begins at {start or 0.0:g} and ends at {end:g}")
    return start, end


def _list(path: Path, text: str) -> Iterator[ClipEntry]:
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1)]
    lines = [(number, line) for number, line in lines if line]
    commas = _has_commas(path, [line for _, line in lines])
    for number, line in lines:
        written, label = _before_comma(line) if commas else _before_blank(line)
        if not written or not label:
            raise LabelError(
                f"{path}:{number}: {line[:80]!r} is not a path and a label; write `path label` or "
                "`path,label`, or a CSV file with columns path and label"
            )
        if not commas and not _exists(path.parent / written):
            written = _without_numbers(path, number, written)
        absolute = _absolute(path, written, f"{path}:{number}")
        yield ClipEntry(absolute, label, None, None, str(path), number)


def _without_numbers(path: Path, number: int, written: str) -> str:
    """The path before the numbers of `path 0 -1 label`, all frames; other numbers are refused."""
    bare = NUMBERS.sub(r"\1", written)
    if bare == written or not _exists(path.parent / bare):
        return written
    if written.split()[-2:] != ["0", "-1"]:
        raise LabelError(
            f"{path}:{number}: {written!r} names no file, but {bare!r} does; give a stretch in a "
            "CSV file with columns path, start, end in seconds, and label"
        )
    return bare


def _has_commas(listing: Path, lines: list[str]) -> bool:
    """Which of both ways to read a list finds more files; with equally many, what it looks like."""
    some, folder = lines[:LOOKED_AT], listing.parent

    def found(pairs: Iterator[tuple[str, str]]) -> int:
        return sum(bool(path) and _exists(folder / path) for path, label in pairs if label)

    commas, blanks = found(map(_before_comma, some)), found(map(_before_blank, some))
    return commas > blanks if commas != blanks else all("," in line for line in some)


def _before_comma(line: str) -> tuple[str, str]:
    try:
        *left, label = next(csv.reader(io.StringIO(line), strict=True), [""])
    except csv.Error:
        return "", ""
    return ",".join(left).strip(), label.strip()


def _before_blank(line: str) -> tuple[str, str]:
    *left, label = line.rsplit(maxsplit=1)
    return "".join(left), label


def _part_folders(root: Path) -> dict[str, Path]:
    """The folders of parts, where a folder has such; then it may have no others."""
    folders = _folders(root)
    parts = {part: folders[part] for part in PARTS if part in folders}
    if parts and len(parts) < len(folders):
        raise LabelError(
            f"{root}: has {', '.join(parts)} beside {min(folders.keys() - parts.keys())}; give the "
            "folder of each part"
        )
    return parts


def _class_folders(root: Path) -> Iterator[ClipEntry]:
    loose = [file.name for file in _content(root) if file.suffix.lower() in RECORDING_SUFFIXES]
    if loose:
        raise LabelError(f"{root}: {min(loose)} lies in no class folder; move it into one")
    for name, folder in _folders(root).items():
        try:
            recordings = find_recordings(folder)
        except ManifestError as error:
            raise LabelError(str(error).removeprefix("data.source: ")) from None
        if str(folder) in recordings:
            raise LabelError(
                f"{folder}: is a recording of pictures itself; class folders are "
                f"{root}/CLASS/RECORDING"
            )
        for path in recordings:
            yield ClipEntry(str(Path(path).absolute()), name, None, None, str(folder), 0)


def _folders(root: Path) -> dict[str, Path]:
    """By name; those that are hidden are not any, nor those that are recordings."""
    return {
        each.name: each
        for each in _content(root)
        if each.is_dir() and each.name[0] != "." and each.suffix.lower() not in RECORDING_SUFFIXES
    }


def _content(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise LabelError(f"{folder}: cannot be listed ({error.strerror})") from None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long, a folder that may not be entered
        return False


def _absolute(listing: Path, written: str, place: str) -> str:
    if "\0" in written:
        raise LabelError(f"{place}: {written[:60]!r} is no path")
    return str((listing.parent / written).absolute())
