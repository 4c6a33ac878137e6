"""`python -m video check`: every recording of a source, examined side by side."""

import os
from pathlib import Path

from video.apart import Job, run_apart
from video.checking.examine import Examined, examine
from video.checking.problems import Problem
from video.checking.report import copies, report, summary
from video.listing import find_recordings
from video.manifest import write_manifest
from video.progress import show_progress
from video.recording import ReaderName, UnreadableVideo


def check(
    source: Path, manifest: Path, reader: ReaderName, folder_fps: float, processes: int,
    silence_seconds: float,
) -> int:  # fmt: skip
    """Examines all recordings, writes the manifest and beside it the report; the exit status.

    It is 1 where a recording cannot be used, and 0 else. Raises ManifestError.
    """
    paths = find_recordings(source)
    jobs = [Job(path, examine, (path, reader, folder_fps)) for path in paths]
    outcomes: list[Examined | UnreadableVideo | None] = [None] * len(jobs)
    events = run_apart(jobs, processes or len(os.sched_getaffinity(0)), silence_seconds)
    for event in show_progress(events, jobs, "checking"):
        outcomes[event.job] = event.outcome
    examined = [outcome for outcome in outcomes if isinstance(outcome, Examined)]
    recordings = [outcome.recording for outcome in examined]
    unusable = [
        Problem("unusable", outcome.path, outcome.reason)
        for outcome in outcomes
        if isinstance(outcome, UnreadableVideo)
    ]
    problems = unusable + copies(recordings) + [p for found in examined for p in found.problems]
    write_manifest(recordings, manifest)
    text = manifest.with_suffix(".txt")
    text.write_text(report(recordings, problems) + "\n", encoding="utf-8")
    print(report(recordings, problems) if len(paths) <= 12 else summary(recordings, problems))
    print(f"manifest: {manifest}\nreport: {text}")
    return 1 if unusable else 0
