"""Files of several labels a moment: tools, action triplets, the criteria of a critical view.

The form is known by content, as in `formats`.
- Cholec80's text: a header `Frame Grasper Bipolar ..`, then a frame's number, `label_fps` a second,
  and 0 or 1 for each tool. A row holds until the next one, the last as long as the median step
  between rows; so does one before a gap, which stays without labels.
- CholecT50's JSON: one of its categories instrument, verb, target and triplet. In an annotated
  second all classes that no row names are 0.
- CSV with a column `time`, `second` or `frame_1fps` (a row holds for a second), or `start` and
  `end`, and a column for each class with 1, 0, or, where it is not known, -1 or nothing. It may
  have a column `recording` or `video`.
"""

from itertools import pairwise
from pathlib import Path
from statistics import median_low

from video.labels.cholect50 import CATEGORIES, read_cholect50
from video.labels.csv_rows import parse_value, read_header, read_label_text, read_rows
from video.labels.segments import MISSING, LabelError, MultiLabelFile, MultiLabelSegment
from video.labels.single_label import (
    LABEL_COLUMNS,
    NAME_COLUMNS,
    SEGMENT_COLUMNS,
    TIME_COLUMNS,
    find_column,
    has_times,
    row_interval,
)

MANY_ENDINGS = (".json", "-tool.txt", ".txt", ".csv")
ONE_LABEL = "; one label a moment wants targets=one"


def read_multi_labels(
    path: Path, recording: str, label_fps: float = 25.0, category: str = ""
) -> MultiLabelFile:
    """`recording`: the name of whom a file's marks are where it does not say it; `category`: what
    of CholecT50's JSON.

    Raises LabelError with file and line where a file is of no known form, or a line is not.
    """
    text = read_label_text(path)
    first = text.lstrip().partition("\n")[0]
    if first.startswith("{"):
        file = _cholect50(path, text, recording, category)
    elif first.split()[:1] == ["Frame"]:
        file = _cholec80(path, text, recording, label_fps)
    elif "," in first:
        file = _table(path, text, recording)
    else:
        raise LabelError(
            f"{path}:1: {first[:60]!r} begins no known form of several labels a moment; known are "
            "Cholec80's text of tools, CholecT50's JSON, and CSV with a column for each class"
        )
    if not any(set(mark.values) != {MISSING} for marks in file.segments.values() for mark in marks):
        raise LabelError(f"{path}: holds no labels")
    return file


def _cholec80(path: Path, text: str, recording: str, fps: float) -> MultiLabelFile:
    header, *lines = text.splitlines()
    separator = "\t" if "\t" in header else None
    classes = tuple(name.strip() for name in header.split(separator)[1:])
    if "Phase" in classes:
        raise LabelError(f"{path}:1: has a column of phases{ONE_LABEL}")
    _require_names(path, classes)
    rows: list[tuple[int, tuple[int, ...], int]] = []
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        frame, *values = (cell.strip() for cell in line.split(separator))
        if not frame.isdecimal() or len(values) != len(classes):
            raise LabelError(
                f"{path}:{number}: {line.strip()[:60]!r} is not a frame and {len(classes)} labels"
            )
        place = f"{path}:{number}"
        known = (parse_value(place, *each) for each in zip(classes, values, strict=True))
        rows.append((int(frame), tuple(known), number))
    frames = sorted({frame for frame, _, _ in rows})
    following = dict(pairwise(frames))
    step = median_low([following[frame] - frame for frame in following] or [max(round(fps), 1)])
    marks = [
        MultiLabelSegment(
            frame / fps, min(frame + step, following.get(frame, frame + step)) / fps, held, at
        )
        for frame, held, at in rows
    ]
    return MultiLabelFile(str(path), classes, {recording: marks})


def _cholect50(path: Path, text: str, recording: str, category: str) -> MultiLabelFile:
    if category in ("", "phase"):
        raise LabelError(
            f"{path}: category {category!r} is not several labels a moment; give one of "
            f"{', '.join(name for name in CATEGORIES if name != 'phase')}{ONE_LABEL}"
        )
    names, seconds = read_cholect50(path, text, category)
    marks = [
        MultiLabelSegment(second, second + 1, tuple(int(name in held) for name in names), 0)
        for second, held in seconds.items()
    ]
    return MultiLabelFile(str(path), names, {recording: marks})


def _table(path: Path, text: str, recording: str) -> MultiLabelFile:
    columns = read_header(path, text)
    if not has_times(columns):
        raise LabelError(
            f"{path}:1: has the columns {', '.join(columns)}; labels want start and end, or "
            f"{' or '.join(TIME_COLUMNS)}"
        )
    if label := find_column(LABEL_COLUMNS, columns):
        raise LabelError(f"{path}:1: has a column {label}, not one for each class{ONE_LABEL}")
    others = {*NAME_COLUMNS, *TIME_COLUMNS, *SEGMENT_COLUMNS}
    classes = tuple(name for name in columns if name not in others)
    _require_names(path, classes)
    name = find_column(NAME_COLUMNS, columns)
    marks: dict[str, list[MultiLabelSegment]] = {}
    for row in read_rows(path, text):
        values = tuple(parse_value(row.location, each, row.cells[each]) for each in classes)
        whose = row.cells[name] if name else recording
        marks.setdefault(whose, []).append(MultiLabelSegment(*row_interval(row), values, row.line))
    return MultiLabelFile(str(path), classes, marks)


def _require_names(path: Path, classes: tuple[str, ...]) -> None:
    if not classes or not all(classes) or len(set(classes)) < len(classes):
        raise LabelError(
            f"{path}:1: its classes are {', '.join(map(repr, classes)) or 'none'}; each wants a "
            "name of its own"
        )
