"""The recordings of a source, each with a reader that was verified on it."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from video.atomic_write import atomic_writer
from video.discover import list_source
from video.fingerprint import content_digest
from video.manifest import (
    ManifestError,
    as_listed,
    is_manifest,
    manifest_columns,
    read_manifest,
    recording_from,
    require_unchanged,
    row_from,
)
from video.near_duplicates.fingerprint import fingerprint_of, sample_times
from video.near_duplicates.frame_hash import COLUMNS, ROWS
from video.readers.registry import WithReaders, require_reader
from video.recording import (
    LARGEST,
    Recording,
    Span,
    UnreadableVideo,
    WantedStream,
    spans_within,
)
from video.text_table import single_line
from video.worker_processes import Job, ProgressDisplay, ReportProgress, run_all

MANIFEST_FILE = "manifest.csv"  # in a folder of recordings; `check` and `prepare` write it
HASHED_FRAMES = 256  # of the fingerprint of an unchecked recording
CACHE_VERSION = 4


class OpenedSource(NamedTuple):
    """The recordings of a source, and those that cannot be read."""

    recordings: list[Recording]
    failures: list[UnreadableVideo]


def open_source(
    source: Path,
    reader: str,
    folder_fps: float,
    timeout: float,
    display: ProgressDisplay,
    stream: WantedStream = LARGEST,
) -> OpenedSource:
    """Opens the recordings of a folder, a manifest or a list.

    A manifest that `check` or `prepare` wrote is trusted if its files still have their contents.
    All other recordings are opened and verified at random positions, in parallel; the results
    are cached by content. `timeout` is in seconds without progress. Raises ManifestError, and
    ReaderUnavailable where the package of a reader is missing.
    """
    manifest = find_manifest(source)
    if manifest is not None:
        recordings = read_manifest(manifest)
        require_unchanged(recordings, manifest)
        _require_stream(recordings, manifest, stream)
        for name in {recording.reader for recording in recordings}:
            require_reader(name)
        return OpenedSource(recordings, [])
    listing = list_source(source)
    for note in listing.notes():
        print(single_line(f"{source}: {note}"), flush=True)
    return open_paths(listing.wanted_streams(stream), reader, folder_fps, timeout, display)


def _require_stream(recordings: Sequence[Recording], file: Path, wanted: WantedStream) -> None:
    """Raises ManifestError where a manifest has another of several streams than the wanted one."""
    if wanted.number is not None and "stream" not in manifest_columns(file):
        raise ManifestError(
            f"{file}: does not say which stream its rows describe, and stream {wanted.number} is "
            f"wanted; run `python -m video check --stream {wanted.number}`"
        )
    for recording in recordings:
        if None not in (wanted.number, recording.stream) and recording.stream != wanted.number:
            raise ManifestError(
                f"{file}: {recording.path} was checked with stream {recording.stream}, and stream "
                f"{wanted.number} is wanted; run `python -m video check --stream {wanted.number}`"
            )


def find_manifest(source: Path) -> Path | None:
    """The manifest that a source is or has; None: its recordings are opened one by one."""
    return next(filter(is_manifest, (source / MANIFEST_FILE, source)), None)


def open_paths(
    streams: Mapping[str, WantedStream],
    reader: str,
    folder_fps: float,
    timeout: float,
    display: ProgressDisplay,
) -> OpenedSource:
    """As `open_source`, for recordings given by their paths, each with its wanted stream."""
    require_reader(reader)
    cache = cache_folder()
    jobs = [
        Job(
            path,
            WithReaders(partial(open_verified, stream=stream)),
            (path, reader, folder_fps, cache),
        )
        for path, stream in streams.items()
    ]
    outcomes = run_all(jobs, 0, timeout, "opening", display)
    for found in outcomes:
        if isinstance(found, Recording) and found.stream is not None:
            print(
                f"{single_line(found.path)}: has several video streams; {found.stream} is read; "
                "`python -m video check` lists them, and says how to choose another"
            )
    return OpenedSource(
        [outcome for outcome in outcomes if isinstance(outcome, Recording)],
        [outcome for outcome in outcomes if isinstance(outcome, UnreadableVideo)],
    )


def cache_folder() -> Path:
    """The folder in which verified recordings are cached."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "surgmask" / "verified"


def open_verified(
    path: str,
    reader: str,
    folder_fps: float,
    cache: Path,
    report_progress: ReportProgress,
    stream: WantedStream = LARGEST,
) -> Recording:
    """Opens one recording and finds a reader for it, or takes both from the cache.

    Raises UnreadableVideo.
    """
    try:
        content = content_digest(path)
    except OSError as error:
        raise UnreadableVideo(path, f"cannot be read ({error.strerror})") from None
    wanted = f"{stream.number}{'-own' * stream.is_own}"
    file = cache / f"{CACHE_VERSION}-{content}-{reader}-{folder_fps:g}-{wanted}.json"
    if (cached := _load_cached(file)) is not None:
        return replace(cached, path=path)
    verified = verify_recording(path, reader, folder_fps, report_progress, stream)
    recording = as_listed(replace(verified, content=content))
    _store(file, recording)
    return recording


def verify_recording(
    path: str,
    reader: str,
    folder_fps: float,
    report_progress: ReportProgress,
    stream: WantedStream = LARGEST,
) -> Recording:
    """Opens a recording, compares random positions with sequential decoding, and hashes frames."""
    from video.readers.probe import probe
    from video.readers.reference_frames import decode_references
    from video.readers.verify import choose_reader, draw_times, rng_for

    recording = probe(path, folder_fps, report_progress, stream)
    drawn = draw_times(recording, rng_for(path), is_quick=True)
    groups, images, damaged = decode_references(recording, drawn, report_progress)
    intact = _without_spans(recording, damaged) if damaged else recording
    verified = choose_reader(intact, reader, groups, images, report_progress)
    return replace(verified, fingerprint=_fingerprint(verified, report_progress))


def _without_spans(recording: Recording, damaged: Sequence[Span]) -> Recording:
    """The recording with more holes, from which no clip is taken."""
    holes = spans_within([*recording.holes, *damaged], recording.seconds)
    left = replace(recording, holes=holes)
    return replace(left, frames=max(1, round(left.shown_seconds * left.fps)))


def _fingerprint(recording: Recording, report_progress: ReportProgress) -> str:
    """The fingerprint of a prepared recording's original, or of frames spread over a recording."""
    from video.readers.spread_frames import spread_frames

    if recording.fingerprint:
        return recording.fingerprint
    times = sample_times(recording.seconds, HASHED_FRAMES).tolist()
    return fingerprint_of(spread_frames(recording, times, ROWS, COLUMNS, report_progress)).text()


def _load_cached(file: Path) -> Recording | None:
    try:
        return recording_from(json.loads(file.read_text(encoding="utf-8")), str(file))
    except (OSError, ValueError, AttributeError, ManifestError):
        return None  # verified again


def _store(file: Path, recording: Recording) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_writer(file) as draft:
            draft.write_text(json.dumps(row_from(recording)), encoding="utf-8")
    except OSError:  # a full or read-only home only makes the next start slower
        return
