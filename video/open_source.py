"""The recordings of a source, each with the reader that was seen to read it rightly."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from video.atomic_write import atomic_writer
from video.discover import find_recordings
from video.fingerprint import content_digest
from video.manifest import (
    ManifestError,
    is_manifest,
    read_manifest,
    recording_from,
    require_unchanged,
    row_from,
)
from video.recording import ReaderName, Recording, UnreadableVideo
from video.worker_processes import Job, ProgressDisplay, ReportProgress, run_all

MANIFEST_FILE = "manifest.csv"  # of a folder of recordings, written by check or prepare
PLACES = 3  # where a recording that was never checked is verified
CACHE_VERSION = 1


class OpenedSource(NamedTuple):
    """What a source holds."""

    recordings: list[Recording]
    failures: list[UnreadableVideo]


def open_source(
    source: Path,
    reader: ReaderName,
    folder_fps: float,
    timeout: float,
    display: ProgressDisplay,
) -> OpenedSource:
    """The recordings of a folder, a manifest or a list.

    Rows of a manifest that `check` or `prepare` wrote are believed, if the files still have their
    sizes. All others are opened and read at a few random places, side by side; what was found is
    kept by content for the next time. Raises ManifestError.
    """
    for manifest in filter(is_manifest, (source / MANIFEST_FILE, source)):
        recordings = read_manifest(manifest)
        require_unchanged(recordings, manifest)
        return OpenedSource(recordings, [])
    return open_paths(find_recordings(source), reader, folder_fps, timeout, display)


def open_paths(
    paths: Sequence[str],
    reader: ReaderName,
    folder_fps: float,
    timeout: float,
    display: ProgressDisplay,
) -> OpenedSource:
    """As `open_source`, of recordings by their paths."""
    arguments = (reader, folder_fps, cache_folder())
    jobs = [Job(path, open_verified, (path, *arguments)) for path in paths]
    outcomes = run_all(jobs, 0, timeout, "opening", display)
    return OpenedSource(
        [outcome for outcome in outcomes if isinstance(outcome, Recording)],
        [outcome for outcome in outcomes if isinstance(outcome, UnreadableVideo)],
    )


def cache_folder() -> Path:
    """Where it is kept what was found out about recordings."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "surgical-video" / "verified"


def open_verified(
    path: str, reader: ReaderName, folder_fps: float, cache: Path, report_progress: ReportProgress
) -> Recording:
    """Opens one recording and finds a reader for it. Raises UnreadableVideo."""
    try:
        content = content_digest(path)
    except OSError as error:
        raise UnreadableVideo(path, f"cannot be read ({error.strerror})") from None
    kept = cache / f"{CACHE_VERSION}-{content}-{reader}-{folder_fps:g}.json"
    if (found := _kept(kept)) is not None:
        return replace(found, path=path)
    recording = replace(
        verify_recording(path, reader, folder_fps, report_progress), content=content
    )
    _keep(kept, recording)
    return recording


def verify_recording(
    path: str, reader: ReaderName, folder_fps: float, report_progress: ReportProgress
) -> Recording:
    """Opens a recording and compares random places with sequential decoding."""
    from video.readers.probe import probe
    from video.readers.verify import choose_reader, draw_times, rng_of, sequential_truth

    recording = probe(path, folder_fps)
    groups = draw_times(recording, PLACES, rng_of(path))
    return choose_reader(recording, reader, groups, sequential_truth(recording), report_progress)


def _kept(file: Path) -> Recording | None:
    try:
        return recording_from(json.loads(file.read_text(encoding="utf-8")), str(file))
    except (OSError, ValueError, AttributeError, ManifestError):
        return None  # found out again


def _keep(file: Path, recording: Recording) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_writer(file) as draft:
            draft.write_text(json.dumps(row_from(recording)), encoding="utf-8")
    except OSError:  # a home that is full or read-only only makes the next start slower
        return
