"""`samples.csv` of a run folder: the recordings that a run began with, and their labels.

A row for each recording of a part: `part`, `recording` (path), `content` (digest of the file) and
`labels` (digest of the times and labels of its samples).
"""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from finetune.data.datasets import LabelledSets
from launch.atomic_io import write_atomic
from launch.errors import ConfigError
from video.changes import describe_changes, printable, with_contents
from video.labels.align import LabelTrack

SAMPLES_FILE = "samples.csv"


class SampleRow(NamedTuple):
    """The samples of one recording in one part."""

    part: str
    recording: str
    content: str
    labels: str


def write_samples(folder: Path, sets: LabelledSets) -> None:
    """Writes the rows of a run that begins; the file is complete or absent."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(SampleRow._fields)
    writer.writerows(_rows(sets))
    write_atomic(folder / SAMPLES_FILE, out.getvalue())


def require_same_samples(folder: Path, sets: LabelledSets) -> None:
    """Raises ConfigError, with the recordings, where a run began with other samples.

    Recordings are matched by file name, so they may have moved. Runs of former versions have no
    such file; their samples are compared as a whole, by a checksum.
    """
    file = folder / SAMPLES_FILE
    if not file.is_file():
        return
    try:
        rows = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8")), strict=True))
        before = [SampleRow(*row) for row in rows[1:]]
    except (OSError, UnicodeDecodeError, csv.Error, TypeError) as error:
        raise ConfigError(
            f"{file}: cannot be read ({error}); restore it, or remove it to have the samples "
            "compared by their checksum only"
        ) from None
    if described := describe_changes(_changes(before, list(_rows(sets)))):
        raise ConfigError(
            f"run: {folder} began with other samples: {described}; restore them, or give another "
            "run=FOLDER"
        )


def _rows(sets: LabelledSets) -> Iterator[SampleRow]:
    for part, sampled in sets.parts.items():
        contents = with_contents(sets.recordings(part))
        for each, recording in zip(sampled, contents, strict=True):
            yield SampleRow(
                part, printable(recording.path), recording.content, _labels_digest(each.track)
            )


def _labels_digest(track: LabelTrack) -> str:
    ends = np.array([]) if track.ends is None else track.ends
    arrays = (track.times, track.labels, ends)
    joined = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return hashlib.sha256(joined).hexdigest()[:32]


def _changes(before: Sequence[SampleRow], now: Sequence[SampleRow]) -> dict[str, list[str]]:
    """Recordings by the kind of their change."""
    old, new = _by_name(before), _by_name(now)
    common = [(old[name], new[name]) for name in old if name in new]
    differing = {
        "changed": [n.recording for o, n in common if o.content != n.content],
        "with other labels": [n.recording for o, n in common if o.labels != n.labels],
        "in another part": [n.recording for o, n in common if o.part != n.part],
        "missing": [row.recording for name, row in old.items() if name not in new],
        "not in it before": [row.recording for name, row in new.items() if name not in old],
    }
    if not any(differing.values()) and list(old) != list(new):
        differing["in another order"] = [row.recording for row in now]
    return differing


def _by_name(rows: Sequence[SampleRow]) -> dict[tuple[str, int], SampleRow]:
    """Rows by the file name of the recording, and by number where several have the same."""
    seen: Counter[str] = Counter()
    named = {}
    for row in rows:
        name = Path(row.recording).name
        named[name, seen[name]] = row
        seen[name] += 1
    return named
