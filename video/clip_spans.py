"""The spans of a recording from which clips are taken, and where a clip may begin."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from video.config import Sampling
from video.recording import Recording, Span

BLANK_REST = 0.01  # of a recording that is called black from begin to end
MIN_MOTION = 0.05  # of the largest motion, so that still spans are drawn sometimes


class NoClip(NamedTuple):
    """Why a recording has no clip."""

    reason: str
    is_blank: bool = False  # clips would fit, but for black and frozen segments


class FrameInterval(NamedTuple):
    """Consecutive frames at which a clip may begin."""

    begin: float  # seconds
    frames: int
    weight: float  # of each frame
    end: float  # seconds, of the span that clips must stay in


def clip_seconds(recording: Recording, frames: int, sampling: Sampling) -> float:
    """Time from the beginning of a clip's first frame to the end of its last."""
    return (frames - 1) * sampling.step_seconds(recording.fps) + 1 / recording.fps


def usable_spans(recording: Recording, sampling: Sampling) -> list[Span]:
    """The spans outside holes and, with a margin, outside skipped segments."""
    excluded = list(recording.holes)
    for kind in sampling.skip_segments:
        spans: tuple[Span, ...] = getattr(recording, kind)
        excluded += [(begin - sampling.margin, end + sampling.margin) for begin, end in spans]
    usable, position = [], 0.0
    for begin, end in sorted(excluded):
        if begin > position:
            usable.append((position, begin))
        position = max(position, end)
    if recording.seconds > position:
        usable.append((position, recording.seconds))
    return usable


def clip_spans(recording: Recording, frames: int, sampling: Sampling) -> list[Span]:
    """The usable spans that are as long as a clip.

    Where none is, the longest span if `sampling.short_videos` allows it, else nothing.
    """
    needed = clip_seconds(recording, frames, sampling) - 0.5 / recording.fps
    spans = usable_spans(recording, sampling)
    long_enough = [span for span in spans if span[1] - span[0] > needed]
    if not long_enough and sampling.short_videos != "error" and spans:
        return [max(spans, key=lambda span: span[1] - span[0])]
    return long_enough


def why_no_clip(recording: Recording, frames: int, sampling: Sampling) -> NoClip | None:
    """Why a recording has no clip, the same words in every program; None: it has some."""
    if clip_spans(recording, frames, sampling):
        return None
    needed = clip_seconds(recording, frames, sampling)
    if clip_spans(recording, frames, replace(sampling, skip_segments=())):
        skipped = " or ".join(kind for kind in sampling.skip_segments if getattr(recording, kind))
        usable = usable_spans(recording, replace(sampling, margin=0.0))
        if sum(end - begin for begin, end in usable) <= BLANK_REST * recording.seconds:
            return NoClip(f"is {skipped} from begin to end", True)
        return NoClip(f"has no segment of {needed:.2f} s, a clip, that is not {skipped}", True)
    if recording.seconds >= needed:
        return NoClip(f"has no usable segment of {needed:.2f} s, the length of a clip")
    return NoClip(f"is {recording.seconds:.2f} s long, a clip {needed:.2f} s")


def usable_seconds(recording: Recording, frames: int, sampling: Sampling) -> float:
    """The total length of the spans that clips are taken from, in seconds."""
    return sum((end - begin for begin, end in clip_spans(recording, frames, sampling)), 0.0)


def frame_intervals(recording: Recording, frames: int, sampling: Sampling) -> list[FrameInterval]:
    """The frames at which a clip fits, or the first frame of a short span."""
    found: list[FrameInterval] = []
    for begin, end in clip_spans(recording, frames, sampling):
        latest = end - clip_seconds(recording, frames, sampling)
        number = int(max(latest - begin, 0.0) * recording.fps + 1e-6) + 1
        if sampling.motion_weight and recording.motion:
            found += _by_motion(recording, begin, number, end, sampling.motion_weight)
        else:
            found.append(FrameInterval(begin, number, 1.0, end))
    return found


def _by_motion(
    recording: Recording, begin: float, number: int, end: float, power: float
) -> Iterator[FrameInterval]:
    """The same frames, divided where the motion digit changes, weighted by motion."""
    part = recording.seconds / len(recording.motion)
    first = 0
    while first < number:
        at = begin + first / recording.fps
        digit = min(int(at / part + 1e-9), len(recording.motion) - 1)
        until = round(((digit + 1) * part - begin) * recording.fps)
        until = number if digit == len(recording.motion) - 1 else min(max(until, first + 1), number)
        motion = max(int(recording.motion[digit]) / 9, MIN_MOTION)
        yield FrameInterval(at, until - first, motion**power, end)
        first = until


def frame_times(
    interval: FrameInterval,
    begin: float,
    frames: int,
    step: float,
    recording: Recording,
    short: str,
) -> tuple[float, ...]:
    """The times of a clip's frames; ascending, unless a short recording loops."""
    times: Sequence[float] = [begin + i * step for i in range(frames)]
    last = interval.end - 1 / recording.fps
    if times[-1] <= last + 0.5 / recording.fps:
        return tuple(times)
    if short == "loop":
        length = interval.end - interval.begin
        times = [interval.begin + (time - interval.begin) % length for time in times]
    return tuple(min(time, max(last, interval.begin)) for time in times)
