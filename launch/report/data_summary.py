"""What a run was trained on, and what of it could not be read."""

import csv
import io
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from launch.report.tolerant_read import Tell, number_of, read_json_lines, read_text

MOST_ROWS = 1000
MOST_REASONS = 50


class Listed(NamedTuple):
    """A row of the run's manifest, as text."""

    path: str
    source: str
    seconds: str
    fps: str
    size: str  # width x height
    reader: str


class Source(NamedTuple):
    """All recordings of a source; a single one has no name."""

    name: str
    recordings: int
    hours: float


class Failure(NamedTuple):
    """What could not be read for one reason; numbers in a reason stand as #."""

    during: str
    reason: str
    times: int
    example: str  # a path


class Data(NamedTuple):
    """`manifest.csv` and `unreadable.jsonl`."""

    has_manifest: bool
    rows: tuple[Listed, ...]  # the first ones
    sources: tuple[Source, ...]
    failures: tuple[Failure, ...]  # the most frequent first
    failed: dict[str, int]  # all of them, by what was being done

    @property
    def recordings(self) -> int:
        return sum(source.recordings for source in self.sources)

    @property
    def hours(self) -> float:
        return sum(source.hours for source in self.sources)


def read_data(folder: Path, tell: Tell) -> Data:
    """Of a run folder."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for line in read_json_lines(folder / "unreadable.jsonl", tell):
        what = str(line.get("during", "")), re.sub(r"\d+(\.\d+)?", "#", str(line.get("reason", "")))
        counts[what] += 1
        examples.setdefault(what, str(line.get("path", "")))
    if len(counts) > MOST_REASONS:
        tell(f"unreadable.jsonl: of {len(counts):,} reasons the {MOST_REASONS} commonest are shown")
    failures = tuple(
        Failure(*what, count, examples[what]) for what, count in counts.most_common(MOST_REASONS)
    )
    failed: Counter[str] = Counter()
    for (during, _), count in counts.items():
        failed[during] += count
    text = read_text(folder / "manifest.csv", tell)
    rows = _rows(text, tell) if text is not None else []
    names = list(dict.fromkeys(row.source for row in rows))
    sources = tuple(_source(name, rows) for name in names)
    return Data(text is not None, tuple(rows[:MOST_ROWS]), sources, failures, dict(failed))


def _rows(text: str, tell: Tell) -> list[Listed]:
    rows: list[Listed] = []
    reader = csv.DictReader(io.StringIO(text), restval="")
    try:
        for held in reader:
            row = {name: value for name, value in held.items() if isinstance(value, str)}
            size = f"{row.get('width', '')}x{row.get('height', '')}"
            path, source, seconds, fps, reads_it = (
                row.get(name, "") for name in ("path", "source", "seconds", "fps", "reader")
            )
            rows.append(Listed(path, source, seconds, fps, size, reads_it))
    except csv.Error as error:
        tell(f"manifest.csv:{reader.line_num}: {error}; the rows from there are left out")
    if rows and "path" not in (reader.fieldnames or ()):
        tell("manifest.csv: has no column path")
    unknown = sum(_seconds(row) != _seconds(row) for row in rows)
    if unknown:
        tell(f"manifest.csv: {unknown:,} rows have no length; they count as 0 s")
    return rows


def _source(name: str, rows: list[Listed]) -> Source:
    seconds = [_seconds(row) for row in rows if row.source == name]
    return Source(name, len(seconds), sum(s for s in seconds if s == s) / 3600)


def _seconds(row: Listed) -> float:
    try:
        seconds = number_of(float(row.seconds))
    except ValueError:
        return number_of(None)
    return seconds if seconds >= 0 else number_of(None)
