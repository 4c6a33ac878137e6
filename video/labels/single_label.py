"""Files of labels as the field keeps them; the form is known by content, not by name.

- Cholec80's text: a header `Frame Phase`, then a frame's number and its phase, `label_fps` a second
- CholecT50's JSON: `annotations` by second, rows of 15 numbers with the phase last
- CSV of moments: a column `time`, `second` or `frame_1fps`, and `phase` or `label`
- CSV of segments: columns `start` and `end` in seconds, and `phase` or `label`
CSV files may have a column `recording` or `video`; without it they are of the recording asked for.
Several labels a moment are read by `many`.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from video.labels.cholect50 import read_cholect50
from video.labels.csv_rows import CsvRow, parse_seconds, read_header, read_label_text, read_rows
from video.labels.segments import LabelError, LabelFile, LabelSegment

NAME_COLUMNS = ("recording", "video")
TIME_COLUMNS = ("time", "second", "frame_1fps")
SEGMENT_COLUMNS = ("start", "end")
LABEL_COLUMNS = ("phase", "label")
ENDINGS = (".json", "-phase.txt", ".txt", ".csv")


def read_labels(
    path: Path, recording: str, label_fps: float = 25.0, category: str = "phase"
) -> LabelFile:
    """`recording`: the name of whom a file's marks are where it does not say it; `category`: what
    of CholecT50's JSON.

    Raises LabelError with file and line where a file is of no known form, or a line is not.
    """
    text = read_label_text(path)
    first = text.lstrip().partition("\n")[0]
    if first.startswith("{"):
        marks = {recording: list(_cholect50(path, text, category))}
    elif first.split()[:2] == ["Frame", "Phase"]:
        marks = {recording: list(_cholec80(path, text, label_fps))}
    elif "," in first:
        marks = _table(path, text, recording)
    else:
        several = "; several labels a moment want targets=many" if first[:5] == "Frame" else ""
        raise LabelError(
            f"{path}:1: {first[:60]!r} begins no known form of labels; known are Cholec80's text, "
            f"CholecT50's JSON, and CSV with a column of times or of start and end{several}"
        )
    if not any(marks.values()):
        raise LabelError(f"{path}: holds no labels")
    return LabelFile(str(path), marks)


def _cholec80(path: Path, text: str, fps: float) -> Iterator[LabelSegment]:
    for number, line in enumerate(text.splitlines()[1:], start=2):
        if not line.strip():
            continue
        frame, _, phase = line.strip().partition("\t")
        if not frame.isdecimal() or not phase.strip():
            raise LabelError(f"{path}:{number}: {line.strip()!r} is not a frame and its phase")
        yield LabelSegment(int(frame) / fps, (int(frame) + 1) / fps, phase.strip(), number)


def _cholect50(path: Path, text: str, category: str) -> Iterator[LabelSegment]:
    for second, names in read_cholect50(path, text, category).seconds.items():
        for name in names:
            yield LabelSegment(second, second + 1, name, 0)


def _table(path: Path, text: str, recording: str) -> dict[str, list[LabelSegment]]:
    columns = read_header(path, text)
    label = find_column(LABEL_COLUMNS, columns)
    if label is None or not has_times(columns):
        raise LabelError(
            f"{path}:1: has the columns {', '.join(columns)}; labels want "
            f"{' or '.join(LABEL_COLUMNS)}, and start and end or {' or '.join(TIME_COLUMNS)}; "
            "several labels a moment, a column for each class, want targets=many"
        )
    name = find_column(NAME_COLUMNS, columns)
    marks: dict[str, list[LabelSegment]] = {}
    for row in read_rows(path, text):
        begin, end = row_interval(row)
        if not row.cells[label]:
            raise LabelError(f"{row.location}: has no {label}")
        whose = row.cells[name] if name else recording
        marks.setdefault(whose, []).append(LabelSegment(begin, end, row.cells[label], row.line))
    return marks


def find_column(names: Sequence[str], columns: Sequence[str]) -> str | None:
    """The first of the names that a table has a column of."""
    return next((name for name in names if name in columns), None)


def has_times(columns: Sequence[str]) -> bool:
    """Whether rows can say when they hold: by `start` and `end`, or for a second."""
    return set(SEGMENT_COLUMNS) <= set(columns) or find_column(TIME_COLUMNS, columns) is not None


def row_interval(row: CsvRow) -> tuple[float, float]:
    """The seconds that a row holds for. Raises LabelError."""
    if set(SEGMENT_COLUMNS) <= row.cells.keys():
        begin, end = (parse_seconds(row.location, row.cells[name]) for name in SEGMENT_COLUMNS)
    else:
        begin = parse_seconds(
            row.location, row.cells[find_column(TIME_COLUMNS, list(row.cells)) or ""]
        )
        end = begin + 1
    if not begin < end:
        raise LabelError(f"{row.location}: begins at {begin:g} and ends at {end:g}")
    return begin, end


Finder = Callable[[str], Path]


def label_finder(labels: Path, endings: Sequence[str] = ENDINGS) -> Finder:
    """Where the labels of a recording stand, by its name.

    `labels`: one file for all, a pattern with `{name}`, or a folder, in which the name with one of
    the endings is looked for. Raises LabelError.
    """

    def find(name: str) -> Path:
        if "{name}" in str(labels):
            found = [Path(str(labels).replace("{name}", name))]
        elif labels.is_dir():
            found = [labels / f"{name}{end}" for end in endings]
        else:
            found = [labels]
        for path in found:
            if path.is_file():
                return path
        raise LabelError(f"{name}: has no labels; looked for {', '.join(map(str, found))}")

    return find
