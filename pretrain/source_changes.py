"""What a resumed run compares before its first step: its recordings, and what its sources have."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from launch.run.environment import last_recorded
from pretrain.config import PretrainConfig
from video.changes import ABSENT, CHANGED, describe_changes, find_changed_files
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


def compare_sources(config: PretrainConfig, folder: Path) -> list[str]:
    """Compares a run's recordings with their files and with its sources; returns warnings.

    Recordings that the sources have in addition are not used. Raises ManifestError where a file has
    changed or is missing, where the sources or `data.exclude` no longer let it be used, and where
    the run's own manifest was edited.
    """
    recordings = read_manifest(folder / MANIFEST_FILE)
    recorded = last_recorded(folder, ROWS_DIGEST)
    if recorded not in (None, rows_digest(recordings)):
        raise ManifestError(
            f"{folder / MANIFEST_FILE}: was edited since the run began; restore it, or give "
            "another run=FOLDER"
        )
    missing, changed = find_changed_files(recordings)
    _require_none({CHANGED: changed, ABSENT: missing}, folder)
    listed = _listed(config)
    unlisted = [each.path for each in recordings if _absolute(each.path) not in listed]
    excluded = exclude(recordings, config.data.exclude).excluded if config.data.exclude else []
    withdrawn = [each.path for each in excluded]
    _require_none({UNLISTED: unlisted, "now in data.exclude": withdrawn}, folder)
    return [*_new_recordings(recordings, listed, folder), *_other_rows(recordings, listed)]


def _require_none(changes: Mapping[str, Sequence[str]], folder: Path) -> None:
    if described := describe_changes(changes):
        raise ManifestError(
            f"run: {folder} began with other recordings: {described}; restore them, or give "
            f"another run=FOLDER, with init_from={folder} to begin with its weights"
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
    recordings: list[Recording], listed: dict[str, Recording | None], folder: Path
) -> list[str]:
    excluded = folder / EXCLUDED_FILE
    known = [each.path for each in recordings] + failed_paths(folder / FAILURE_LOG_FILE, RECORDINGS)
    known += [each.path for each in read_manifest(excluded)] if excluded.is_file() else []
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
        if (row := listed[_absolute(each.path)]) and clip_values(row) != clip_values(each)
    ]
    if not other:
        return []
    return [
        f"warning: data.source: rows of its manifest, {describe_changes({CHANGED: other})}, are "
        "not used: a run keeps the rows that it began with; for others give another run=FOLDER"
    ]


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100  # without the links, as sources list them
