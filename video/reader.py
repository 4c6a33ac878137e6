"""The door to the video decoder: what a file holds, and its frames at given times.

Frames are found by time stamp, never by counting from a seek. What a packet announced for a time
must be what was decoded for it; else the read fails by name, for a decoder drops what is damaged.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8

from video.manifest import Recording

# Seconds before the first wanted frame at which decoding may start; the last is the file's start.
# Some containers seek too late, and some streams have one key frame only.
RUN_UPS = (0.0, 10.0, 60.0, math.inf)
WITHOUT_STAMPS = frozenset({"avi"})  # stores none, and the guesses of its demuxer are out of order
EARLY = 0.01  # seconds before its stamp from which on a frame counts as shown
END_SECONDS = 2  # looked at for the last frame, which need not be the last packet
CUT_SECONDS = 2.0  # a file may end so much before its header says


class UnreadableVideo(ValueError):
    """A recording, or the part of it that was asked for, cannot be read."""

    exit_status = 2

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class _Clock(NamedTuple):
    """Turns seconds from a recording's first frame into its stamps, or into numbers of frames."""

    stamped: bool
    origin: float
    unit: float  # seconds
    frame: float  # seconds from a frame to the next, on average

    def latest(self, time: float) -> int:
        """The latest stamp that a frame shown at `time` may bear."""
        return math.floor((self.origin + time + min(EARLY, self.frame / 2)) / self.unit)

    def seconds(self, stamp: int) -> float:
        return stamp * self.unit - self.origin


@contextmanager
def _opened(path: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A file and its first moving picture, decoded by one thread; failures get its name."""
    try:
        if Path(path).stat().st_size == 0:
            raise UnreadableVideo(path, "is empty (0 bytes); copy it again")
        with av.open(path, metadata_errors="replace") as container:
            streams = [
                stream
                for stream in container.streams.video
                if not stream.disposition & Disposition.attached_pic
            ]
            if not streams:
                raise UnreadableVideo(path, "holds no moving picture, perhaps sound only")
            streams[0].codec_context.thread_count = 1
            yield container, streams[0]
    except (av.FFmpegError, OSError) as error:
        raise UnreadableVideo(path, f"cannot be decoded ({error.strerror or error})") from None


def probe(path: str) -> Recording:
    """Opens a recording, decodes its first frame and looks at its end.

    Raises UnreadableVideo, also for a file that ends before its header says.
    """
    with _opened(path) as (container, stream):
        frame = next(container.decode(stream), None)
        rate, base = stream.average_rate or stream.guessed_rate, stream.time_base
        if frame is None or not rate or base is None:
            raise UnreadableVideo(path, "holds no frame that can be decoded")
        fps, first, stamped = float(rate), 0.0, _is_stamped(container)
        if stamped:
            first = float((frame.pts or 0) * base)
            seconds = float(_last_stamp(container, stream) * base) - first + 1 / fps
        announced = _announced_seconds(container, stream, first)
        width = round(frame.width * (stream.sample_aspect_ratio or 1))
    if not stamped:
        with _opened(path) as (container, stream):
            seconds = sum(1 for packet in container.demux(stream) if packet.size) / fps
    if seconds < announced - max(CUT_SECONDS, 4 / fps):
        raise UnreadableVideo(
            path, f"is cut off: its header says {announced:.1f} s, it ends at {seconds:.1f} s"
        )
    return Recording(path, fps, round(seconds * fps), seconds, width, frame.height, first)


def _announced_seconds(container: InputContainer, stream: VideoStream, first: float) -> float:
    """What the header says; 0 where it says nothing, or means the sound perhaps."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if len(container.streams) > 1 or not container.duration:
        return 0.0
    return container.duration / 1e6 - max(first, 0.0)  # mkv's is the time at its end


def _is_stamped(container: InputContainer) -> bool:
    return container.format.name not in WITHOUT_STAMPS


def _last_stamp(container: InputContainer, stream: VideoStream) -> int:
    """The latest stamp, looked for from the end, or all through where that finds nothing."""
    assert stream.time_base is not None
    begin = stream.start_time or 0
    near_end = begin + (stream.duration or 0) - round(END_SECONDS / stream.time_base)
    stamps: list[int] = []
    for where in (max(near_end, begin), begin):
        container.seek(where, stream=stream)
        packets = container.demux(stream)
        stamps = [p.pts for p in packets if p.pts is not None and not p.is_discard]
        if stamps:
            break
    return max(stamps, default=0)


def read_frames(
    recording: Recording, times: Sequence[float], rows: int, columns: int
) -> UInt8[np.ndarray, "t h w c"]:
    """The frames shown at ascending `times`, scaled to `rows` by `columns`, in RGB.

    A frame is shown until the next one comes; a time just before a frame means that frame, so that
    rounded stamps do no harm. Raises UnreadableVideo.
    """
    for run_up in RUN_UPS:
        with _opened(recording.path) as (container, stream):
            assert stream.time_base is not None
            if _is_stamped(container):
                unit = float(stream.time_base)
                clock = _Clock(True, recording.first, unit, 1 / recording.fps)
                if run_up < math.inf:
                    start = recording.first + max(times[0] - run_up, 0.0)
                    container.seek(math.floor(start / unit), stream=stream)
            else:
                clock = _Clock(False, 0.0, 1 / recording.fps, 1 / recording.fps)
            shown = _shown_at(times, recording, clock, _Decoding(container, stream, clock))
            if shown is not None:
                return _convert(shown, rows, columns)
    raise UnreadableVideo(recording.path, f"no frame can be decoded at {times[0]:.2f} s")


class _Decoding:
    """Frames with their stamps in the order of display, and the stamps that packets announced."""

    def __init__(self, container: InputContainer, stream: VideoStream, clock: _Clock) -> None:
        self._container, self._stream, self._clock = container, stream, clock
        self._announced: list[int] = []

    def __iter__(self) -> Iterator[tuple[int, VideoFrame]]:
        number, before = 0, None
        for packet in self._container.demux(self._stream):
            if packet.size and not packet.is_discard:
                stamp = packet.pts if self._clock.stamped else len(self._announced)
                if stamp is not None:
                    self._announced.append(stamp)
            for frame in packet.decode():
                stamp = frame.pts if self._clock.stamped else number
                if stamp is None or (before is not None and stamp <= before):
                    raise UnreadableVideo(
                        self._container.name, f"time stamp {stamp} does not follow {before}"
                    )
                yield stamp, frame
                number, before = number + 1, stamp

    def due(self, latest: int) -> int | None:
        """The stamp of the frame that should be shown when `latest` is the latest possible."""
        return max((stamp for stamp in self._announced if stamp <= latest), default=None)


def _shown_at(
    times: Sequence[float], recording: Recording, clock: _Clock, decoding: _Decoding
) -> list[VideoFrame] | None:
    """The frames shown at `times`; None where decoding began after the first of them."""
    limits = [clock.latest(time) for time in times]
    chosen: list[VideoFrame] = []
    stamp, shown = 0, None
    for following, frame in decoding:
        while len(chosen) < len(limits) and following > limits[len(chosen)]:
            if shown is None:
                return None
            chosen.append(_sound(shown, stamp, decoding.due(limits[len(chosen)]), recording, clock))
        if len(chosen) == len(limits):
            return chosen
        stamp, shown = following, frame
    if shown is None:
        return None
    end = clock.seconds(stamp) + clock.frame
    if end < recording.seconds - clock.frame or times[-1] > recording.seconds:
        raise UnreadableVideo(
            recording.path, f"ends at {end:.2f} s, before the frame at {times[-1]:.2f} s"
        )
    for limit in limits[len(chosen) :]:
        chosen.append(_sound(shown, stamp, decoding.due(limit), recording, clock))
    return chosen


def _sound(
    frame: VideoFrame, stamp: int, due: int | None, recording: Recording, clock: _Clock
) -> VideoFrame:
    """The frame itself; raises UnreadableVideo where it is damaged or not the one that was due."""
    if frame.is_corrupt or due != stamp:
        lost = clock.seconds(stamp if due is None else due)
        raise UnreadableVideo(recording.path, f"the frame at {lost:.2f} s is damaged")
    return frame


def _convert(frames: Sequence[VideoFrame], rows: int, columns: int) -> UInt8[np.ndarray, "t h w c"]:
    scaler = VideoReformatter()
    clip = np.empty((len(frames), rows, columns, 3), np.uint8)
    for place, frame in enumerate(frames):
        if place and frame is frames[place - 1]:
            clip[place] = clip[place - 1]
            continue
        scaled = scaler.reformat(frame, columns, rows, "rgb24", interpolation="BILINEAR")
        clip[place] = scaled.to_ndarray()
    return clip
