"""What a resumed run compares before its first step: its recordings, and what its sources have."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from launch.run.environment import last_recorded
from pretrain.config import PretrainConfig
from video.changes import (
    ABSENT,
    CHANGED,
    ChangedFiles,
    describe_changes,
    find_changed_files,
    find_moved,
)
from video.discover import find_recordings
from video.exclude import exclude
from video.failure_log import failed_paths
from video.manifest import ManifestError, clip_values, read_manifest, rows_digest
from video.open_source import find_manifest
from video.recording import Recording

MANIFEST_FILE = "manifest.csv"
EXCLUDED_FILE = "excluded.csv"  # the recordings that data.exclude names
FAILURE_LOG_FILE = "unreadable.jsonl"
RECORDINGS = "recordings"  # the stage of failures before training, in the failure log
UNLISTED = "no longer in data.source"
ROWS_DIGEST = "recordings_sha256"  # of the run's manifest, in environment.json


class Comparison(NamedTuple):
    """A run's recordings beside its files and its sources."""

    recordings: list[Recording]  # with the paths that they have now
    has_moved: bool
    notes: list[str]  # to print


def compare_sources(config: PretrainConfig, folder: Path) -> Comparison:
    """Compares a run's recordings with their files and with its sources.

    A recording may have moved: it is found by its content among those of the sources. Recordings
    that the sources have in addition are not used. Raises ManifestError where a file has changed or
    is missing, where the sources or `data.exclude` no longer let it be used, and where the run's
    own manifest was edited.
    """
    recordings = read_manifest(folder / MANIFEST_FILE)
    recorded = last_recorded(folder, ROWS_DIGEST)
    if recorded not in (None, rows_digest(recordings)):
        raise ManifestError(
            f"{folder / MANIFEST_FILE}: was edited since the run began; restore it, or give "
            "another run=FOLDER"
        )
    listed = _listed(config)
    excluded_before = _excluded_before(folder)
    moved, lost = _find_moved([*recordings, *excluded_before], listed)
    notes = _describe_moved(moved)
    has_moved = any(recording.path in moved for recording in recordings)
    recordings, excluded_before = (
        [replace(each, path=moved.get(each.path, each.path)) for each in group]
        for group in (recordings, excluded_before)
    )
    own = {each.path for each in recordings}
    changes = {CHANGED: lost.changed, ABSENT: lost.missing}
    _require_none({kind: [p for p in paths if p in own] for kind, paths in changes.items()}, folder)
    unlisted = [each.path for each in recordings if _absolute(each.path) not in listed]
    excluded = exclude(recordings, config.data.exclude).excluded if config.data.exclude else []
    withdrawn = [each.path for each in excluded]
    _require_none({UNLISTED: unlisted, "now in data.exclude": withdrawn}, folder)
    known = [each.path for each in (*recordings, *excluded_before)]
    notes += _new_recordings(known, listed, folder)
    notes += _other_rows(recordings, listed)
    return Comparison(recordings, has_moved, notes)


def _excluded_before(folder: Path) -> list[Recording]:
    file = folder / EXCLUDED_FILE
    return read_manifest(file) if file.is_file() else []


def _find_moved(
    recordings: Sequence[Recording], listed: dict[str, Recording | None]
) -> tuple[dict[str, str], ChangedFiles]:
    """The present path of recordings that the sources have, by content, at another one; and what
    is missing or changed at its own path, and nowhere else.

    Recordings may have exchanged their names: a path counts as taken only by an unchanged file.
    """
    found = find_changed_files(recordings)
    lost = {*found.missing, *found.changed}
    gone = [
        recording
        for recording in recordings
        if recording.path in lost or _absolute(recording.path) not in listed
    ]
    taken = {_absolute(each.path) for each in recordings} - {_absolute(each.path) for each in gone}
    moved = find_moved(gone, sorted(listed.keys() - taken)) if gone else {}
    return moved, ChangedFiles(
        [path for path in found.missing if path not in moved],
        [path for path in found.changed if path not in moved],
    )


def _describe_moved(moved: Mapping[str, str]) -> list[str]:
    pairs = [f"{before} is now {now}" for before, now in moved.items()]
    return [f"recordings: {describe_changes({'moved': pairs})}"] if pairs else []


def _require_none(changes: Mapping[str, Sequence[str]], folder: Path) -> None:
    if described := describe_changes(changes):
        raise ManifestError(
            f"run: {folder} began with other recordings: {described}; restore them, or let "
            "data.source have them where they are now; or give another run=FOLDER, with "
            f"init_from={folder} to begin with its weights"
        )


def _listed(config: PretrainConfig) -> dict[str, Recording | None]:
    """The recordings of all sources by absolute path, with their rows where there is a manifest."""
    listed: dict[str, Recording | None] = {}
    for source in config.data.named.values():
        manifest = find_manifest(Path(source.path))
        if manifest is None:
            listed |= {_absolute(path): None for path in find_recordings(Path(source.path))}
        else:
            listed |= {_absolute(each.path): each for each in read_manifest(manifest)}
    return listed


def _new_recordings(
    known: list[str], listed: dict[str, Recording | None], folder: Path
) -> list[str]:
    known = [*known, *failed_paths(folder / FAILURE_LOG_FILE, RECORDINGS)]
    new = sorted(listed.keys() - {_absolute(path) for path in known})
    if not new:
        return []
    return [
        f"warning: data.source: {describe_changes({'not in this run': new})}, which goes on "
        f"without them; to train on them, give another run=FOLDER, with init_from={folder}"
    ]


def _other_rows(recordings: list[Recording], listed: dict[str, Recording | None]) -> list[str]:
    other = [
        each.path
        for each in recordings
        if (row := listed[_absolute(each.path)])
        and (clip_values(row), row.stream) != (clip_values(each), each.stream)
    ]
    if not other:
        return []
    return [
        f"warning: data.source: rows of its manifest, {describe_changes({CHANGED: other})}, are "
        "not used: a run keeps the rows that it began with; for others give another run=FOLDER"
    ]


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100  # without the links, as sources list them
