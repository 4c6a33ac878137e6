"""What a run was trained on, and what could not be read."""

import csv
import io
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from launch.report.tolerant_read import Warn, read_json_lines, read_text, to_number

csv.field_size_limit(2**27)  # a recording may have many holes
MAX_ROWS = 1000
MAX_REASONS = 50


class ManifestRow(NamedTuple):
    """A recording in the run's manifest, as text."""

    path: str
    source: str
    seconds: str
    fps: str
    size: str  # width x height
    reader: str
    holes: str  # spans without frames


class SourceSummary(NamedTuple):
    """All recordings of a source; if there is only one source, its name may be empty."""

    name: str
    recordings: int
    hours: float


class ReadFailure(NamedTuple):
    """What could not be read for one reason; numbers in the reason are replaced by #."""

    during: str
    reason: str
    times: int
    example: str  # path of a recording


class DataSummary(NamedTuple):
    """The contents of `manifest.csv` and `unreadable.jsonl`."""

    has_manifest: bool
    rows: tuple[ManifestRow, ...]  # the first ones
    sources: tuple[SourceSummary, ...]
    failures: tuple[ReadFailure, ...]  # the most frequent first
    failure_counts: dict[str, int]  # all failures, by what the run was doing

    @property
    def recordings(self) -> int:
        return sum(source.recordings for source in self.sources)

    @property
    def hours(self) -> float:
        return sum(source.hours for source in self.sources)


def read_data(folder: Path, warn: Warn) -> DataSummary:
    """Of a run folder."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for line in read_json_lines(folder / "unreadable.jsonl", warn):
        reason = re.sub(r"\d+(\.\d+)?", "#", str(line.get("reason", "")))
        kind = str(line.get("during", "")), reason
        counts[kind] += 1
        examples.setdefault(kind, str(line.get("path", "")))
    if len(counts) > MAX_REASONS:
        warn(f"unreadable.jsonl: {MAX_REASONS} of {len(counts):,} reasons are shown")
    failures = tuple(
        ReadFailure(*kind, count, examples[kind]) for kind, count in counts.most_common(MAX_REASONS)
    )
    failure_counts: Counter[str] = Counter()
    for (during, _), count in counts.items():
        failure_counts[during] += count
    text = read_text(folder / "manifest.csv", warn)
    rows = _parse_manifest(text, warn) if text is not None else []
    names = list(dict.fromkeys(row.source for row in rows))
    sources = tuple(_summarize(name, rows) for name in names)
    shown = tuple(rows[:MAX_ROWS])
    return DataSummary(text is not None, shown, sources, failures, dict(failure_counts))


def _parse_manifest(text: str, warn: Warn) -> list[ManifestRow]:
    rows: list[ManifestRow] = []
    reader = csv.DictReader(io.StringIO(text), restval="")
    try:
        for cells in reader:
            row = {name: value for name, value in cells.items() if isinstance(value, str)}
            size = f"{row.get('width', '')}x{row.get('height', '')}"
            path, source, seconds, fps, video_reader, holes = (
                row.get(name, "")
                for name in ("path", "source", "seconds", "fps", "reader", "holes")
            )
            rows.append(ManifestRow(path, source, seconds, fps, size, video_reader, holes))
    except csv.Error as error:
        warn(f"manifest.csv:{reader.line_num}: {error}; this and all later rows are omitted")
    if rows and "path" not in (reader.fieldnames or ()):
        warn("manifest.csv: the column path is missing")
    unknown = sum(_seconds(row) != _seconds(row) for row in rows)
    if unknown:
        warn(f"manifest.csv: {unknown:,} rows have no valid length and count as 0 s")
    return rows


def _summarize(name: str, rows: list[ManifestRow]) -> SourceSummary:
    seconds = [_seconds(row) for row in rows if row.source == name]
    return SourceSummary(name, len(seconds), sum(s for s in seconds if s == s) / 3600)


def _seconds(row: ManifestRow) -> float:
    """The time for which a recording has frames; NaN if the row has no valid length."""
    try:
        spans = (span.split("-") for span in filter(None, row.holes.split(";")))
        missing = sum(float(end) - float(begin) for begin, end in spans)
        seconds = to_number(float(row.seconds) - missing)
    except ValueError:
        return to_number(None)
    return seconds if seconds >= 0 else to_number(None)
