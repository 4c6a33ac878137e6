"""Everything about one recording: decoded from end to end, and compared with random access."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from video.check.frame_statistics import FrameStatistics
from video.check.problems import Kind, Problem
from video.fingerprint import content_digest
from video.readers import verify
from video.readers.probe import holes_between, probe
from video.readers.sequential import SequentialDecoder
from video.recording import Recording, Span, UnreadableVideo
from video.worker_processes import ReportProgress

PLACES = 8  # where random access is compared, beside the last frames
FAR_KEY_FRAMES = 3.0  # seconds


class ExaminedRecording(NamedTuple):
    """What `check` says of a recording."""

    recording: Recording
    problems: list[Problem]


def examine(
    path: str, reader: str, folder_fps: float, report_progress: ReportProgress
) -> ExaminedRecording:
    """Decodes all of a recording and finds a reader for it. Raises UnreadableVideo."""
    probed = probe(path, folder_fps)
    seen = FrameStatistics(probed, verify.draw_times(probed, PLACES, verify.rng_for(path)))
    whole = SequentialDecoder(probed)
    for frame in whole:
        seen.add(frame)
        if len(seen.times) % 100 == 0:
            report_progress(min(frame.time / probed.seconds, 0.99))
    if not seen.times:
        raise UnreadableVideo(path, "holds no frame that can be decoded")
    recording = seen.measured(whole, content_digest(path))
    groups, pictures = seen.intact_groups(recording)
    truth = dict(zip(map(tuple, groups), pictures, strict=True))
    chosen = verify.choose_reader(
        recording, reader, groups, lambda times: truth[tuple(times)], report_progress
    )
    chosen = replace(chosen, verified=f"all frames, {chosen.verified}")
    return ExaminedRecording(chosen, _problems(probed, chosen, whole, seen, reader))


def _problems(
    probed: Recording,
    recording: Recording,
    whole: SequentialDecoder,
    seen: FrameStatistics,
    reader: str,
) -> list[Problem]:
    """What the owner of a recording should know, in words."""
    steps = np.diff(seen.times)
    gaps = holes_between(seen.times, recording.fps)
    damage = "; ".join(f"{begin:.2f}-{end:.2f} s" for begin, end in recording.holes[:5])
    findings: list[tuple[bool, Kind, str]] = [
        (bool(whole.lost or whole.errors), "damaged", f"{len(whole.lost)} frames, {damage}"),
        (
            whole.announced not in (0, recording.frames),
            "count",
            f"announces {whole.announced}, {recording.frames} can be decoded",
        ),
        (
            not recording.is_image_sequence and recording.reader != reader,
            "reader",
            f"read with {recording.reader}",
        ),
        (bool(gaps), "gaps", f"{len(gaps)} gaps, {_total(gaps)} of {recording.seconds:.1f} s"),
        (bool(recording.black), "black", _told(recording.black)),
        (bool(recording.frozen), "frozen", _told(recording.frozen)),
        (
            recording.steady is False and recording.kind != "folder",
            "unsteady",
            f"{1e3 * steps.min():.0f} to {1e3 * steps.max():.0f} ms between frames"
            if len(steps)
            else "",
        ),
        (
            (recording.key_frame_seconds or 0) > FAR_KEY_FRAMES,
            "key frames",
            f"up to {recording.key_frame_seconds} s apart",
        ),
        (
            seen.interlaced > 0,
            "interlaced",
            f"{seen.interlaced} of {recording.frames} frames",
        ),
        (probed.rotation != 0, "rotated", f"by {probed.rotation} degrees"),
    ]
    return [Problem(kind, recording.path, detail) for found, kind, detail in findings if found]


def _told(spans: Sequence[Span]) -> str:
    first = spans[0][0] if spans else 0.0
    return f"{_total(spans)} in {len(spans)} spans, the first at {first:.1f} s"


def _total(spans: Sequence[Span]) -> str:
    return f"{sum(end - begin for begin, end in spans):.1f} s"
