"""Files of labels as the field keeps them; the form is known by content, not by name.

- Cholec80's text: a header `Frame Phase`, then a frame's number and its phase, `label_fps` a second
- CholecT50's JSON: `annotations` by second, rows of 15 numbers with the phase last
- CSV of moments: a column `time`, `second` or `frame_1fps`, and `phase` or `label`
- CSV of segments: columns `start` and `end` in seconds, and `phase` or `label`
CSV files may have a column `recording` or `video`; without it they are of the recording asked for.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

from finetune.labels.marks import LabelError, LabelFile, Mark

NAME_COLUMNS = ("recording", "video")
TIME_COLUMNS = ("time", "second", "frame_1fps")
LABEL_COLUMNS = ("phase", "label")
PHASE = 14  # place of the phase in a row of CholecT50


def read_labels(path: Path, recording: str, label_fps: float = 25.0) -> LabelFile:
    """`recording`: the name of whom a file's marks are where it does not say it.

    Raises LabelError with file and line where a file is of no known form, or a line is not.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"{path}: cannot be read ({error})") from None
    first = text.lstrip().partition("\n")[0]
    if first.startswith("{"):
        marks = {recording: list(_cholect50(path, text))}
    elif first.split()[:2] == ["Frame", "Phase"]:
        marks = {recording: list(_cholec80(path, text, label_fps))}
    elif "," in first:
        marks = _table(path, text, recording)
    else:
        raise LabelError(
            f"{path}:1: {first[:60]!r} begins no known form of labels; known are Cholec80's text, "
            "CholecT50's JSON, and CSV with a column of times or of start and end"
        )
    if not any(marks.values()):
        raise LabelError(f"{path}: holds no labels")
    return LabelFile(str(path), marks)


def _cholec80(path: Path, text: str, fps: float) -> Iterator[Mark]:
    for number, line in enumerate(text.splitlines()[1:], start=2):
        if not line.strip():
            continue
        frame, _, phase = line.strip().partition("\t")
        if not frame.isdecimal() or not phase.strip():
            raise LabelError(f"{path}:{number}: {line.strip()!r} is not a frame and its phase")
        yield Mark(int(frame) / fps, (int(frame) + 1) / fps, phase.strip(), number)


def _cholect50(path: Path, text: str) -> Iterator[Mark]:
    try:
        held = json.loads(text)
        names, seconds = held["categories"]["phase"], held["annotations"]
        for second, rows in seconds.items():
            # one row a triplet, all with the phase of that second; -1 where it has none
            for phase in sorted({int(row[PHASE]) for row in rows} - {-1}):
                yield Mark(float(second), float(second) + 1, str(names[str(phase)]), 0)
    except json.JSONDecodeError as error:
        raise LabelError(f"{path}:{error.lineno}: is not JSON ({error.msg})") from None
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise LabelError(
            f"{path}: is JSON, but not CholecT50's ({type(error).__name__}: {error})"
        ) from None


def _table(path: Path, text: str, recording: str) -> dict[str, list[Mark]]:
    reader = csv.DictReader(io.StringIO(text))
    columns = reader.fieldnames or []

    def column(names: tuple[str, ...]) -> str | None:
        return next((name for name in names if name in columns), None)

    label, name, time = column(LABEL_COLUMNS), column(NAME_COLUMNS), column(TIME_COLUMNS)
    segments = {"start", "end"} <= set(columns)
    if label is None or not (segments or time):
        raise LabelError(
            f"{path}:1: has the columns {', '.join(columns)}; labels want "
            f"{' or '.join(LABEL_COLUMNS)}, and start and end or {' or '.join(TIME_COLUMNS)}"
        )
    marks: dict[str, list[Mark]] = {}
    for row in reader:
        line = reader.line_num
        if segments:
            begin, end = (_seconds(path, line, row[key]) for key in ("start", "end"))
        else:
            begin = _seconds(path, line, row[time or ""])
            end = begin + 1
        if not begin < end:
            raise LabelError(f"{path}:{line}: begins at {begin:g} and ends at {end:g}")
        text_of = (row[label] or "").strip()
        if not text_of:
            raise LabelError(f"{path}:{line}: has no {label}")
        whose = (row[name] or "").strip() if name else recording
        marks.setdefault(whose, []).append(Mark(begin, end, text_of, line))
    return marks


def _seconds(path: Path, line: int, value: str | None) -> float:
    try:
        seconds = float(value or "")
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise LabelError(f"{path}:{line}: {value!r} is no time in seconds")
    return seconds


Finder = Callable[[str], Path]


def label_files(labels: Path) -> Finder:
    """Where the labels of a recording stand, by its name.

    `labels`: one file for all, a pattern with `{name}`, or a folder, in which `NAME.json`,
    `NAME-phase.txt`, `NAME.txt` and `NAME.csv` are looked for. Raises LabelError.
    """

    def find(name: str) -> Path:
        if "{name}" in str(labels):
            found = [Path(str(labels).replace("{name}", name))]
        elif labels.is_dir():
            found = [labels / f"{name}{end}" for end in (".json", "-phase.txt", ".txt", ".csv")]
        else:
            found = [labels]
        for path in found:
            if path.is_file():
                return path
        raise LabelError(f"{name}: has no labels; looked for {', '.join(map(str, found))}")

    return find
