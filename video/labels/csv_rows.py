"""CSV files of labels as rows of checked cells, each with its file and line."""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from video.labels.segments import MISSING, LabelError

NAME_COLUMNS = ("recording", "video")
TIME_COLUMNS = ("time", "second", "frame_1fps")
SEGMENT_COLUMNS = ("start", "end")
LABEL_COLUMNS = ("phase", "label")
KNOWN_COLUMNS = {*NAME_COLUMNS, *TIME_COLUMNS, *SEGMENT_COLUMNS, *LABEL_COLUMNS, "path"}
SEPARATORS = (",", ";", "\t")
SEPARATOR_LINE = re.compile(r'\A"?sep=."?(?=\r?\n)')  # of Excel; its line stays, empty
CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)", re.ASCII)  # [hours:]min:s
MAX_COLUMNS = 10_000
MAX_BYTES = 2**28  # of a file of labels


class CsvRow(NamedTuple):
    """A row of a CSV file."""

    location: str  # file and line, for errors
    line: int
    cells: dict[str, str]  # by column, without surrounding blanks


def read_label_text(path: Path) -> str:
    """Raises LabelError where a file is not text."""
    try:
        if not path.is_file():  # a pipe would be waited for
            problem = "is not a regular file" if path.exists() else "no such file"
            raise LabelError(f"{path}: cannot be read ({problem})")
        if path.stat().st_size > MAX_BYTES:
            raise LabelError(f"{path}: has more than {MAX_BYTES >> 20} MiB; divide the file")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise LabelError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise LabelError(f"{path}: is not UTF-8 ({error.reason}); save it as UTF-8") from None
    if text.count("\0") > len(text) / 4:  # UTF-16 of English words is valid UTF-8
        raise LabelError(f"{path}: is UTF-16, not UTF-8; save it as UTF-8")
    return SEPARATOR_LINE.sub("", text)


def known_columns(header: str, separator: str) -> int:
    """How many cells of a header are names that files of labels have."""
    return len(KNOWN_COLUMNS & {cell.strip(' "\r') for cell in header.split(separator)})


def find_separator(text: str) -> str:
    """The separator that gives the header most of the known names; a comma where all give equal."""
    header = text.lstrip().partition("\n")[0]
    return max(SEPARATORS, key=lambda separator: known_columns(header, separator))


def read_header(path: Path, text: str) -> list[str]:
    """The column names of a CSV file. Raises LabelError where a name occurs twice."""
    columns = next(_lines(path, text), (1, []))[1]
    if len(columns) > MAX_COLUMNS:
        raise LabelError(
            f"{path}:1: has {len(columns):,} columns; at most {MAX_COLUMNS:,} are read"
        )
    for name, count in Counter(filter(None, columns)).items():
        if count > 1:
            raise LabelError(f"{path}:1: has two columns {name[:60]!r}; rename one")
    return columns


def read_rows(path: Path, text: str) -> Iterator[CsvRow]:
    """The rows below the header; empty lines are skipped.

    Raises LabelError where a row has more or fewer cells than the header, as in a truncated file.
    """
    columns = read_header(path, text)
    lines = _lines(path, text)
    next(lines, None)
    for line, cells in lines:
        location = f"{path}:{line}"
        if len(cells) != len(columns):
            raise LabelError(f"{location}: has {len(cells)} cells, the header has {len(columns)}")
        yield CsvRow(location, line, dict(zip(columns, cells, strict=True)))


def _lines(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text), delimiter=find_separator(text), strict=True)
    try:
        for cells in reader:
            if any("\n" in cell for cell in cells):
                raise csv.Error("a line break inside quotes")
            if cells:
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise LabelError(f"{path}:{reader.line_num}: is not CSV ({error})") from None


def parse_seconds(location: str, text: str) -> float:
    """A time in seconds, finite and not negative. Raises LabelError."""
    # float() would accept 1_0 and the digits of other scripts too
    is_plain = text.isascii() and "_" not in text
    try:
        seconds = float(text) if is_plain else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        cure = "; write a number, such as 75.5"
        if re.fullmatch(r"\d+,\d+", text):
            cure = "; write it with a decimal point"
        if clock := CLOCK.fullmatch(text):
            hours, minutes, rest = clock.groups()
            cure = f"; write {3600 * int(hours or 0) + 60 * int(minutes) + float(rest):g}"
        raise LabelError(f"{location}: {text!r} is not a time in seconds{cure}")
    return seconds


VALUES = {"": MISSING, "-1": MISSING, "-1.0": MISSING, "0": 0, "0.0": 0, "1": 1, "1.0": 1}


def parse_value(location: str, name: str, text: str) -> int:
    """The value of a class: 1, 0, or -1 if it is unknown. Raises LabelError."""
    if text not in VALUES:
        raise LabelError(
            f"{location}: {name} is {text!r}; write 1 for present, 0 for absent, and -1 or nothing "
            "for unknown"
        )
    return VALUES[text]


def require_class_names(path: Path, classes: tuple[str, ...]) -> None:
    """Raises LabelError where there are no classes, or where two have the same name or none."""
    if not classes or not all(classes) or len(set(classes)) < len(classes):
        raise LabelError(
            f"{path}:1: its classes are {', '.join(map(repr, classes)) or 'none'}; give each class "
            "a different name"
        )
