"""`python -m video check`: examines every recording of a source."""

from functools import partial
from pathlib import Path

from video.atomic_write import require_writable
from video.check.examine import ExaminedRecording, examine
from video.check.problems import Problem
from video.check.report import find_copies, find_near_duplicates, report, short_report
from video.discover import RECORDING_SUFFIXES, list_source
from video.manifest import ManifestError, write_manifest
from video.near_duplicates.pairs import too_many_pairs
from video.progress import MAX_PRINTED, show_progress
from video.readers.registry import WithReaders, require_reader
from video.recording import LARGEST, UnreadableVideo, WantedStream
from video.text_table import single_line
from video.worker_processes import Job, run_all


def check(
    source: Path,
    manifest: Path,
    reader: str,
    folder_fps: float,
    processes: int,
    timeout: float,
    stream: WantedStream = LARGEST,
) -> int:
    """Examines all recordings, writes the manifest and the report, and returns the exit status.

    It is 1 where a recording is unusable, else 0. `timeout` is in seconds without progress. Raises
    ManifestError, ReaderUnavailable, and before any work OutputError.
    """
    text = manifest.with_suffix(".report.txt" if manifest.suffix == ".txt" else ".txt")
    if manifest.suffix.lower() in RECORDING_SUFFIXES:
        raise ManifestError(f"--out {manifest}: has the name of a video; give a name with .csv")
    for out in (manifest, text):
        require_writable(out)
    listing = list_source(source)
    paths = listing.paths
    require_reader(reader)
    jobs = [
        Job(path, WithReaders(partial(examine, stream=wanted)), (path, reader, folder_fps))
        for path, wanted in listing.wanted_streams(stream).items()
    ]
    outcomes = run_all(jobs, processes, timeout, "checking", show_progress)
    examined = [outcome for outcome in outcomes if isinstance(outcome, ExaminedRecording)]
    recordings = [outcome.recording for outcome in examined]
    unusable = [
        Problem("unusable", outcome.path, outcome.reason)
        for outcome in outcomes
        if isinstance(outcome, UnreadableVideo)
    ]
    problems = (
        unusable
        + find_copies(recordings)
        + find_near_duplicates(recordings)
        + [p for found in examined for p in found.problems]
    )
    write_manifest(recordings, manifest)
    pairs = len(recordings) * (len(recordings) - 1) // 2
    notes = [single_line(note) for note in (*listing.notes(), too_many_pairs(pairs)) if note]
    full_report = "\n".join([report(recordings, problems), *(["", *notes] if notes else [])])
    text.write_text(full_report + "\n", encoding="utf-8", errors="backslashreplace")
    print(
        full_report
        if len(paths) <= MAX_PRINTED
        else "\n".join([short_report(recordings, problems, MAX_PRINTED, text), *notes])
    )
    print(f"manifest: {manifest}\nreport: {text}")
    return 1 if unusable else 0
