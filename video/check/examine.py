"""Examines one recording: decodes all frames, and compares them with random access."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from video.check.frame_statistics import FrameStatistics
from video.check.problems import Kind, Problem
from video.config import DEFAULT_FRAME_RATE
from video.fingerprint import content_digest
from video.manifest import as_listed
from video.readers import verify
from video.readers.probe import holes_between, list_streams, probe
from video.readers.sequential import SequentialDecoder
from video.readers.streams import StreamLength
from video.recording import LARGEST, Recording, Span, UnreadableVideo, WantedStream, spans_within
from video.slow_recordings import pictures_shown
from video.text_table import format_count, format_span
from video.worker_processes import ReportProgress

MAX_KEY_FRAME_SECONDS = 3.0
BLANK_SHARE = 0.99  # of a recording that is black or frozen from begin to end
CLIP_TIMES = np.arange(16) / DEFAULT_FRAME_RATE  # of an ordinary clip, in seconds


class ExaminedRecording(NamedTuple):
    """A recording with its measured row, and its problems."""

    recording: Recording
    problems: list[Problem]


def examine(
    path: str,
    reader: str,
    folder_fps: float,
    report_progress: ReportProgress,
    stream: WantedStream = LARGEST,
) -> ExaminedRecording:
    """Decodes all of a recording and finds a reader for it. Raises UnreadableVideo."""
    probed = probe(path, folder_fps, report_progress, stream)
    groups = verify.draw_times(probed, verify.rng_for(path))
    statistics = FrameStatistics(probed, groups)
    decoder = SequentialDecoder(probed)
    for frame in decoder:
        statistics.add(frame)
        if len(statistics.times) % 100 == 0:
            report_progress(min(frame.time / probed.seconds, 0.99))
    if not statistics.times:
        raise UnreadableVideo(path, "contains no frame that can be decoded")
    measured = statistics.measured(decoder, content_digest(path))
    intact, images = statistics.references.intact(measured.seconds, measured.holes)
    verified = verify.choose_reader(measured, reader, intact, images, report_progress)
    recording = as_listed(replace(verified, verified=f"all frames, {verified.verified}"))
    problems = _problems(probed, recording, decoder, statistics, reader)
    if probed.stream is not None:
        streams = list_streams(path, report_progress)
        problems.append(Problem("streams", path, _streams(streams, probed.stream)))
    return ExaminedRecording(recording, problems)


def _problems(
    probed: Recording,
    recording: Recording,
    decoder: SequentialDecoder,
    statistics: FrameStatistics,
    reader: str,
) -> list[Problem]:
    """The problems that the report lists for a recording."""
    steps = np.diff(statistics.times)
    gaps = holes_between(statistics.times, recording.fps)
    blank = spans_within((*recording.black, *recording.frozen), recording.seconds)
    is_blank = _length(blank) >= BLANK_SHARE * recording.shown_seconds
    findings: list[tuple[bool, Kind, str]] = [
        (bool(decoder.lost or decoder.errors), "damaged", _damage(recording, decoder)),
        (
            decoder.header_frames not in (0, recording.frames),
            "count",
            f"{decoder.header_frames} in the header, {recording.frames} can be decoded",
        ),
        (
            not recording.is_image_sequence and recording.reader != reader,
            "reader",
            f"read by {recording.reader}",
        ),
        (
            bool(gaps),
            "gaps",
            f"{format_count(len(gaps), 'gap')}, {_total(gaps)} of {recording.seconds:.1f} s",
        ),
        (is_blank, "blank", _describe((*recording.black, *recording.frozen))),
        (bool(recording.black) and not is_blank, "black", _describe(recording.black)),
        (bool(recording.frozen) and not is_blank, "frozen", _describe(recording.frozen)),
        (
            (shown := pictures_shown(CLIP_TIMES, recording.fps)) < len(CLIP_TIMES),
            "slow",
            f"{recording.fps:.4g} frames/s; {len(CLIP_TIMES)} frames show {shown} pictures",
        ),
        (
            recording.steady is False and recording.kind != "folder",
            "unsteady",
            f"{1e3 * steps.min():.0f} to {1e3 * steps.max():.0f} ms between frames"
            if len(steps)
            else "",
        ),
        (
            (recording.key_frame_seconds or 0) > MAX_KEY_FRAME_SECONDS,
            "key frames",
            f"up to {format_span(recording.key_frame_seconds or 0)} apart",
        ),
        (
            statistics.interlaced > 0,
            "interlaced",
            f"{statistics.interlaced} of {recording.frames} frames",
        ),
        (probed.rotation != 0, "rotated", f"by {probed.rotation} degrees"),
    ]
    return [Problem(kind, recording.path, detail) for found, kind, detail in findings if found]


def _streams(streams: Sequence[StreamLength], index: int) -> str:
    """The stream that is read, and those that are left out."""
    taken = ", ".join(str(each) for each in streams if each.number == index)
    others = ", ".join(str(each) for each in streams if each.number != index)
    return f"stream {taken} is read; left out: {others}"


def _damage(recording: Recording, decoder: SequentialDecoder) -> str:
    """The number of frames that cannot be decoded, and where they are."""
    before = sum(time < 0 for time in decoder.lost)
    spans = "; ".join(f"{begin:.2f}-{end:.2f} s" for begin, end in recording.holes[:5])
    places = [f"{before} before the first that can be decoded" if before else "", spans]
    return ", ".join([format_count(len(decoder.lost), "frame"), *filter(None, places)])


def _describe(spans: Sequence[Span]) -> str:
    first = spans[0][0] if spans else 0.0
    return f"{_total(spans)} in {format_count(len(spans), 'span')}, the first at {first:.1f} s"


def _total(spans: Sequence[Span]) -> str:
    return f"{_length(spans):.1f} s"


def _length(spans: Sequence[Span]) -> float:
    return sum(end - begin for begin, end in spans)
