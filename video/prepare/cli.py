"""`python -m video prepare`: transcodes recordings once for fast reading."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from video.atomic_write import remove_partial_files, require_writable
from video.manifest import ManifestError, recording_from, write_manifest
from video.open_source import MANIFEST_FILE, open_source
from video.prepare.redact import read_spans
from video.prepare.report import report, summary
from video.prepare.settings import PREPARED_SUFFIX, PrepareSettings
from video.prepare.transcode import TranscodeResult, transcode
from video.progress import MAX_PRINTED, show_progress
from video.readers.registry import WithReaders
from video.recording import LARGEST, Recording, Span, UnreadableVideo, WantedStream
from video.worker_processes import Job, run_all

REPORT_FILE = "report.txt"


def prepare(
    source: Path,
    out: Path,
    settings: PrepareSettings,
    leave_out: Path | None,
    folder_fps: float,
    processes: int,
    timeout: float,
    stream: WantedStream = LARGEST,
) -> int:
    """Transcodes all recordings of a source; the exit status is 1 if one cannot be read.

    Files that an interrupted call completed are kept. Raises ManifestError, and OSError where
    `out` cannot be written.
    """
    require_writable(out, is_folder=True)
    opened = open_source(source, "pyav", folder_fps, timeout, show_progress, stream)
    originals = opened.recordings
    if not originals:
        raise ManifestError(f"{source}: none of its recordings can be read: {opened.failures[0]}")
    spans = read_spans(leave_out, originals) if leave_out else {}
    files = _output_files(originals, out, settings)
    remove_partial_files(out)
    done = {
        original.path: found
        for original, file in zip(originals, files, strict=True)
        if (found := _load_completed(original, file, settings, spans.get(original.path, [])))
    }
    _warn_if_disk_is_small(originals, done, out)
    jobs = [
        Job(
            original.path,
            WithReaders(transcode),
            (original, file, settings, spans.get(original.path, [])),
        )
        for original, file in zip(originals, files, strict=True)
        if original.path not in done
    ]
    if done:
        print(f"{len(done)} of {len(originals)} recordings are already prepared", flush=True)
    try:
        outcomes = run_all(jobs, processes, timeout, "preparing", show_progress)
    finally:
        remove_partial_files(out)  # of processes that were killed
    failures = [*opened.failures, *(o for o in outcomes if isinstance(o, UnreadableVideo))]
    done |= {
        job.path: outcome
        for job, outcome in zip(jobs, outcomes, strict=True)
        if isinstance(outcome, TranscodeResult)
    }
    results = [done[original.path] for original in originals if original.path in done]
    write_manifest([result.recording for result in results], out / MANIFEST_FILE)
    text = report(results, failures, settings, out)
    (out / REPORT_FILE).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    print(text if len(originals) <= MAX_PRINTED else summary(results, settings))
    print(f"manifest: {out / MANIFEST_FILE}\nreport: {out / REPORT_FILE}")
    return 1 if failures else 0


def _output_files(
    originals: Sequence[Recording], out: Path, settings: PrepareSettings
) -> list[Path]:
    """The prepared file of each original, at its path relative to their common folder."""
    paths = [Path(original.path).absolute() for original in originals]
    common = Path(os.path.commonpath([path.parent for path in paths]))
    stems = [out / path.relative_to(common).with_suffix("") for path in paths]
    counts = Counter(stems)
    # originals that differ only in their suffix keep it
    files = [
        stem.with_name(path.name) if counts[stem] > 1 else stem
        for stem, path in zip(stems, paths, strict=True)
    ]
    return [file.with_name(file.name + PREPARED_SUFFIX[settings.form]) for file in files]


def _load_completed(
    original: Recording, file: Path, settings: PrepareSettings, left_out: Sequence[Span]
) -> TranscodeResult | None:
    """The result of an earlier call for the same original, or None.

    Raises ManifestError where the earlier call had other settings.
    """
    note = file.with_suffix(".json")
    if not (note.is_file() and file.is_file()):
        return None
    try:
        record = json.loads(note.read_text(encoding="utf-8"))
        before = PrepareSettings(**record.pop("settings"))
        found = TranscodeResult(
            **record | {"recording": recording_from(record["recording"], str(note))}
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, OSError):
        return None
    if before != settings:
        raise ManifestError(
            f"{file} was prepared with other settings ({settings.differences(before)}); choose "
            "another folder, or use the same settings"
        )
    unchanged = (
        found.recording.original_content == original.content
        and found.recording.bytes == file.stat().st_size
        and [tuple(span) for span in found.left_out] == list(left_out)
    )
    moved = replace(found.recording, path=str(file), original=str(Path(original.path).absolute()))
    return replace(found, recording=moved) if unchanged else None


def _warn_if_disk_is_small(
    originals: Sequence[Recording], done: dict[str, TranscodeResult], out: Path
) -> None:
    """Prints a warning where the disk is surely too small; the estimate is low."""
    hours = sum(o.shown_seconds for o in originals if o.path not in done) / 3600
    out.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out).free / 1e9
    if hours and free < 0.02 * hours:
        print(f"warning: {out} has {free:.1f} GB free for {hours:.1f} hours", flush=True)
