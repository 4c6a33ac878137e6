"""Opens a video file for decoding in one thread, and converts its timestamps."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from video.recording import Recording, UnreadableVideo

# AVI stores no timestamps, and those that its demuxer guesses are out of order.
FORMATS_WITHOUT_TIMESTAMPS = frozenset({"avi"})
MAX_TOLERANCE = 0.01  # seconds: timestamps are rounded


def timestamp_tolerance(fps: float) -> float:
    """Seconds by which a time may precede a frame's timestamp: half a frame at most."""
    return min(MAX_TOLERANCE, 0.5 / fps)


class Clock(NamedTuple):
    """Converts seconds from a recording's time 0 to timestamps, or else to frame numbers."""

    has_timestamps: bool
    origin: float  # seconds in the file's own time at the recording's time 0
    unit: float  # seconds
    frame: float  # mean seconds from a frame to the next

    def latest(self, time: float) -> int:
        """The latest timestamp that the frame displayed at `time` may have."""
        return math.floor((self.origin + time + min(MAX_TOLERANCE, self.frame / 2)) / self.unit)

    def seconds(self, timestamp: int) -> float:
        return timestamp * self.unit - self.origin


@contextmanager
def open_container(path: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A file and its first video stream; errors of FFmpeg become UnreadableVideo."""
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
                raise UnreadableVideo(path, "contains no video stream, perhaps only audio")
            if streams[0].codec_context is None:
                raise UnreadableVideo(path, "has a damaged header, its codec is unknown")
            streams[0].codec_context.thread_count = 1
            yield container, streams[0]
    except (av.FFmpegError, OSError) as error:
        raise UnreadableVideo(path, f"cannot be decoded ({error.strerror or error})") from None


def has_timestamps(container: InputContainer) -> bool:
    return container.format.name not in FORMATS_WITHOUT_TIMESTAMPS


def clock_for(recording: Recording, container: InputContainer, stream: VideoStream) -> Clock:
    """The clock of a file; frames of a container without timestamps are counted instead."""
    frame = 1 / recording.fps
    if not has_timestamps(container):
        return Clock(False, 0.0, frame, frame)
    assert stream.time_base is not None
    return Clock(True, recording.first, float(stream.time_base), frame)
