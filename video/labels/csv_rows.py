"""Text and tables of labels, checked as they are read: each cell has a column and a line."""

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from video.labels.segments import MISSING, LabelError


class CsvRow(NamedTuple):
    """A row of a table, as it is written."""

    location: str  # file and line, for errors
    line: int
    cells: dict[str, str]  # by column, without blanks around them


def read_label_text(path: Path) -> str:
    """Raises LabelError where a file cannot be read as text."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"{path}: cannot be read ({error})") from None


def read_header(path: Path, text: str) -> list[str]:
    """The first line of a CSV file. Raises LabelError where a name stands twice."""
    columns = next(_lines(path, text), (1, []))[1]
    for name in filter(None, columns):
        if columns.count(name) > 1:
            raise LabelError(f"{path}:1: has two columns {name!r}; rename one")
    return columns


def read_rows(path: Path, text: str) -> Iterator[CsvRow]:
    """The rows behind a first line of columns; lines without anything are none.

    Raises LabelError where a row has not as many cells as there are columns, as in half a file.
    """
    columns = read_header(path, text)
    lines = _lines(path, text)
    next(lines, None)
    for line, cells in lines:
        place = f"{path}:{line}"
        if len(cells) != len(columns):
            raise LabelError(f"{place}: has {len(cells)} cells, the first line {len(columns)}")
        yield CsvRow(place, line, dict(zip(columns, cells, strict=True)))


def _lines(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        for cells in reader:
            if any("\n" in cell for cell in cells):
                raise csv.Error("a line break inside quotes")
            if cells:
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise LabelError(f"{path}:{reader.line_num}: is not CSV ({error})") from None


def parse_seconds(place: str, text: str) -> float:
    """A time, finite and not negative. Raises LabelError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise LabelError(f"{place}: {text!r} is no time in seconds")
    return seconds


VALUES = {"": MISSING, "-1": MISSING, "-1.0": MISSING, "0": 0, "0.0": 0, "1": 1, "1.0": 1}


def parse_value(place: str, name: str, text: str) -> int:
    """Whether a class holds; nothing and -1 mean that it is not known. Raises LabelError."""
    if text not in VALUES:
        raise LabelError(
            f"{place}: {name} is {text!r}; write 1 where the class holds, 0 where it does not, and "
            "-1 or nothing where that is not known"
        )
    return VALUES[text]
