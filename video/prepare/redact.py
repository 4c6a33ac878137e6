"""Spans of recordings that must not be prepared: out of the body, or showing who was there."""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from video.discover import read_text
from video.exclude import recording_names
from video.manifest import ManifestError
from video.recording import Recording, Span


def read_spans(file: Path, recordings: Sequence[Recording]) -> dict[str, list[Span]]:
    """The spans of each recording, by its path, ascending.

    A CSV file with columns `path` (or bare name), `begin` and `end`, in seconds or as H:MM:SS.
    Raises ManifestError, also for a recording that is not there: a mistyped name must not let
    anything through.
    """
    rows = csv.DictReader(io.StringIO(read_text(file)))
    for column in ("path", "begin", "end"):
        if column not in (rows.fieldnames or []):
            raise ManifestError(
                f"{file}:1: column {column} is missing; write path,begin,end, a line for each span"
            )
    by_name: dict[str, set[str]] = defaultdict(set)
    for recording in recordings:
        for name in recording_names(recording):
            by_name[name].add(recording.path)
    spans: dict[str, list[Span]] = defaultdict(list)
    for row in rows:
        place = f"{file}:{rows.line_num}"
        name = row["path"] or ""
        found = by_name.get(str((file.parent / name).resolve())) or by_name.get(name, set())
        if len(found) != 1:
            what = "names several recordings" if found else "names no recording"
            raise ManifestError(f"{place}: path {name!r} {what}; write the path of one")
        begin, end = (_seconds(row[column] or "", place, column) for column in ("begin", "end"))
        if not begin < end:
            raise ManifestError(f"{place}: end {row['end']} is not after begin {row['begin']}")
        spans[next(iter(found))].append((begin, end))
    return {path: sorted(found) for path, found in spans.items()}


def _seconds(text: str, place: str, column: str) -> float:
    """`93.5`, `1:33.5` or `0:01:33.5` in seconds."""
    try:
        parts = [float(part) for part in text.split(":")]
        seconds = sum(part * 60**power for power, part in enumerate(reversed(parts)))
        if len(parts) <= 3 and min(parts) >= 0 and seconds < math.inf:
            return seconds
    except ValueError:
        pass
    raise ManifestError(f"{place}: {column} {text!r} is no time; write seconds or H:MM:SS")
