"""Spans to leave out of prepared recordings: outside the body, or showing persons."""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from video.exclude import recording_names
from video.manifest import ManifestError
from video.recording import Recording, Span
from video.recording_lists import comma_columns, read_text


def read_spans(file: Path, recordings: Sequence[Recording]) -> dict[str, list[Span]]:
    """The spans of each recording by its path, ascending.

    `file` is a CSV file with columns `path` (or file name), `begin` and `end`, in seconds or as
    H:MM:SS. Raises ManifestError, also for an unknown recording: a mistyped name must not let
    anything through.
    """
    text = read_text(file)
    columns, rows = comma_columns(file, text), csv.DictReader(io.StringIO(text))
    for column in ("path", "begin", "end"):
        if column not in columns:
            raise ManifestError(
                f"{file}:1: column {column} is missing; write path,begin,end, a line for each span"
            )
    by_name: dict[str, set[str]] = defaultdict(set)
    for recording in recordings:
        for name in recording_names(recording):
            by_name[name].add(recording.path)
    spans: dict[str, list[Span]] = defaultdict(list)
    for row in rows:
        location = f"{file}:{rows.line_num}"
        name = row["path"] or ""
        found = by_name.get(str((file.parent / name).resolve())) or by_name.get(name, set())
        if len(found) != 1:
            what = "matches several recordings" if found else "matches no recording"
            raise ManifestError(
                f"{location}: path {name!r} {what}; write the path of one recording"
            )
        begin, end = (_seconds(row[column] or "", location, column) for column in ("begin", "end"))
        if not begin < end:
            raise ManifestError(f"{location}: end {row['end']} is not after begin {row['begin']}")
        spans[next(iter(found))].append((begin, end))
    return {path: sorted(found) for path, found in spans.items()}


def _seconds(text: str, location: str, column: str) -> float:
    """Parses `93.5`, `1:33.5` or `0:01:33.5` to seconds."""
    try:
        parts = [float(part) for part in text.split(":")]
        seconds = sum(part * 60**power for power, part in enumerate(reversed(parts)))
        if len(parts) <= 3 and min(parts) >= 0 and seconds < math.inf:
            return seconds
    except ValueError:
        pass
    raise ManifestError(f"{location}: {column} {text!r} is not a time; write seconds or H:MM:SS")
