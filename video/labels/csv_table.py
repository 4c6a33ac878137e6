"""CSV tables of labels: rows at a second or over a segment, with one label or several classes.

Times are in a column `time`, `second` or `frame_1fps` (a row is valid for a second), or in `start`
and `end`. A column `recording` or `video` names the recording; without it, all rows are of one.
Columns are separated by commas, semicolons or tabs.
"""

from collections.abc import Sequence
from pathlib import Path

from video.labels.csv_rows import (
    LABEL_COLUMNS,
    NAME_COLUMNS,
    SEGMENT_COLUMNS,
    TIME_COLUMNS,
    CsvRow,
    find_separator,
    known_columns,
    parse_seconds,
    parse_value,
    read_header,
    read_rows,
    require_class_names,
)
from video.labels.label_format import LabelOptions, first_line
from video.labels.segments import (
    LabelError,
    LabelFile,
    LabelSegment,
    MultiLabelFile,
    MultiLabelSegment,
)


def is_csv_text(text: str) -> bool:
    first = first_line(text)
    # tabs without a known column are Cholec80's, of which a class may have a comma in its name
    is_table = known_columns(first, find_separator(text)) or ("," in first and "\t" not in first)
    return bool(is_table) and not first.startswith("{")


def read_label_column(path: Path, text: str, options: LabelOptions) -> LabelFile:
    """A table with a column `phase` or `label`."""
    columns = read_header(path, text)
    label = find_column(LABEL_COLUMNS, columns)
    if label is None or not _has_times(columns):
        raise LabelError(
            f"{path}:1: has the columns {', '.join(columns)}; single labels need "
            f"{' or '.join(LABEL_COLUMNS)}, and start and end or {' or '.join(TIME_COLUMNS)}; "
            "for a column per class, set multi_label: true"
        )
    name = find_column(NAME_COLUMNS, columns)
    segments: dict[str, list[LabelSegment]] = {}
    for row in read_rows(path, text):
        begin, end = _interval(row)
        if not row.cells[label]:
            raise LabelError(f"{row.location}: has no {label}")
        recording = row.cells[name] if name else options.recording
        segment = LabelSegment(begin, end, row.cells[label], row.line)
        segments.setdefault(recording, []).append(segment)
    return LabelFile(str(path), segments)


def read_class_columns(path: Path, text: str, options: LabelOptions) -> MultiLabelFile:
    """A table with a column per class: 1, 0, or -1 or nothing where a label is unknown."""
    columns = read_header(path, text)
    if not _has_times(columns):
        raise LabelError(
            f"{path}:1: has the columns {', '.join(columns)}; labels need start and end, or "
            f"{' or '.join(TIME_COLUMNS)}"
        )
    if label := find_column(LABEL_COLUMNS, columns):
        raise LabelError(
            f"{path}:1: has a column {label} instead of a column per class; set multi_label: false"
        )
    others = {*NAME_COLUMNS, *TIME_COLUMNS, *SEGMENT_COLUMNS}
    classes = tuple(name for name in columns if name not in others)
    require_class_names(path, classes)
    name = find_column(NAME_COLUMNS, columns)
    segments: dict[str, list[MultiLabelSegment]] = {}
    for row in read_rows(path, text):
        values = tuple(parse_value(row.location, each, row.cells[each]) for each in classes)
        recording = row.cells[name] if name else options.recording
        segment = MultiLabelSegment(*_interval(row), values, row.line)
        segments.setdefault(recording, []).append(segment)
    return MultiLabelFile(str(path), classes, segments)


def find_column(names: Sequence[str], columns: Sequence[str]) -> str | None:
    """The first of the names that is a column."""
    return next((name for name in names if name in columns), None)


def _has_times(columns: Sequence[str]) -> bool:
    return set(SEGMENT_COLUMNS) <= set(columns) or find_column(TIME_COLUMNS, columns) is not None


def _interval(row: CsvRow) -> tuple[float, float]:
    """Begin and end of a row in seconds. Raises LabelError."""
    if set(SEGMENT_COLUMNS) <= row.cells.keys():
        begin, end = (parse_seconds(row.location, row.cells[name]) for name in SEGMENT_COLUMNS)
    else:
        column = find_column(TIME_COLUMNS, list(row.cells)) or ""
        begin = parse_seconds(row.location, row.cells[column])
        end = begin + 1
    if not begin < end:
        raise LabelError(f"{row.location}: begins at {begin:g} and ends at {end:g}")
    return begin, end
