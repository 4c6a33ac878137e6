"""Files that list labelled clips.

- Lines `path label`, as VideoMAE's lists, or `path,label`; a path may contain blanks.
- CSV with a header, separated by commas, semicolons or tabs: `path`, optionally `start` and `end`
  in seconds, and either `label` or a column for each class with 1, 0, or -1 or nothing for an
  unknown label.

Relative paths start at the list's folder. A label is a class name or an integer; -1 means unknown.
"""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from video.labels.csv_rows import (
    SEGMENT_COLUMNS,
    CsvRow,
    find_separator,
    parse_seconds,
    parse_value,
    read_header,
    read_label_text,
    read_rows,
)
from video.labels.segments import ClipEntry, LabelError

PATH_AND_NUMBERS = re.compile(r"^(.+?)(?:\s+-?\d+){1,2}$")  # a path, then one or two numbers
SAMPLE_LINES = 32  # lines by which the separator of a list is detected


def is_clip_csv(path: Path, first_line: str) -> bool:
    """Whether the first line is a header with a column `path`.

    Raises LabelError if the columns are separated by blanks.
    """
    if "path" in [name.strip(' "\r') for name in first_line.split(find_separator(first_line))]:
        return True
    if first_line.split()[:1] == ["path"]:
        raise LabelError(f"{path}:1: separate the columns by commas, not {first_line[:60]!r}")
    return False


def read_clip_csv(path: Path) -> Iterator[ClipEntry]:
    """The rows of a CSV file as clips. Raises LabelError with file and line."""
    text = read_label_text(path)
    columns = read_header(path, text)
    classes = [name for name in columns if name not in ("path", *SEGMENT_COLUMNS)]
    if "label" in columns:
        classes = []  # other columns are ignored
    elif not classes or not all(classes):
        raise LabelError(
            f"{path}:1: has the columns {', '.join(columns)}; add a column label, or a column with "
            "the name of each class"
        )
    if len({*SEGMENT_COLUMNS} & {*columns}) == 1:
        raise LabelError(f"{path}:1: has one of start and end; an interval has both")
    for row in read_rows(path, text):
        if not row.cells["path"]:
            raise LabelError(f"{row.location}: has no path")
        label = {each: parse_value(row.location, each, row.cells[each]) for each in classes}
        if not classes and not row.cells["label"]:
            raise LabelError(f"{row.location}: has no label")
        absolute = _absolute(path, row.cells["path"], row.location)
        start, end = _interval(row)
        yield ClipEntry(absolute, label or row.cells["label"], start, end, str(path), row.line)


def _interval(row: CsvRow) -> tuple[float | None, float | None]:
    start, end = (
        parse_seconds(row.location, row.cells[name]) if row.cells.get(name) else None
        for name in SEGMENT_COLUMNS
    )
    if end is not None and not (start or 0.0) < end:
        raise LabelError(f"{row.location}: begins at {start or 0.0:g} and ends at {end:g}")
    return start, end


def read_path_label_lines(path: Path) -> Iterator[ClipEntry]:
    """The lines of a list as clips. Raises LabelError with file and line."""
    lines = [(i, line.strip()) for i, line in enumerate(read_label_text(path).split("\n"), start=1)]
    lines = [(number, line) for number, line in lines if line]
    has_commas = _has_commas(path, [line for _, line in lines])
    for number, line in lines:
        name, label = _split_at_comma(line) if has_commas else _split_at_blank(line)
        if not name or not label:
            raise LabelError(
                f"{path}:{number}: {line[:80]!r} is not a path and a label; write `path label` or "
                "`path,label`, or a CSV file with columns path and label"
            )
        if not has_commas and not _exists(path.parent / name):
            name = _without_numbers(path, number, name)
        absolute = _absolute(path, name, f"{path}:{number}")
        yield ClipEntry(absolute, label, None, None, str(path), number)


def _without_numbers(listing: Path, number: int, name: str) -> str:
    """The path in `path 0 -1 label`, which means all frames; other numbers are refused."""
    path = PATH_AND_NUMBERS.sub(r"\1", name)
    if path == name or not _exists(listing.parent / path):
        return name
    if name.split()[-2:] != ["0", "-1"]:
        raise LabelError(
            f"{listing}:{number}: {name!r} names no file, but {path!r} does; give an interval in a "
            "CSV file with columns path, start, end in seconds, and label"
        )
    return path


def _has_commas(listing: Path, lines: list[str]) -> bool:
    """Whether more paths exist if lines are split at commas than if they are split at blanks.

    If equally many exist: whether every line has a comma.
    """
    sample, folder = lines[:SAMPLE_LINES], listing.parent

    def existing(pairs: Iterator[tuple[str, str]]) -> int:
        return sum(bool(path) and _exists(folder / path) for path, label in pairs if label)

    commas, blanks = existing(map(_split_at_comma, sample)), existing(map(_split_at_blank, sample))
    return commas > blanks if commas != blanks else all("," in line for line in sample)


def _split_at_comma(line: str) -> tuple[str, str]:
    try:
        *left, label = next(csv.reader(io.StringIO(line), strict=True), [""])
    except csv.Error:
        return "", ""
    return ",".join(left).strip(), label.strip()


def _split_at_blank(line: str) -> tuple[str, str]:
    *left, label = line.rsplit(maxsplit=1)
    return "".join(left), label


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # the name is too long, or a folder may not be entered
        return False


def _absolute(listing: Path, path: str, place: str) -> str:
    if "\0" in path:
        raise LabelError(f"{place}: {path[:60]!r} is not a path")
    return str((listing.parent / path).absolute())
