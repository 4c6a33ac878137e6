"""A video file, opened for decoding by one thread, and its clock."""

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

FORMATS_WITHOUT_TIMESTAMPS = frozenset(
    {"avi"}
)  # stores none, and the guesses of its demuxer are out of order
MAX_TOLERANCE = 0.01  # seconds: stamps are rounded


def timestamp_tolerance(fps: float) -> float:
    """Seconds before its stamp from which on a frame counts as shown: half a frame at most."""
    return min(MAX_TOLERANCE, 0.5 / fps)


class Clock(NamedTuple):
    """Turns seconds from a recording's time 0 into its stamps, or into numbers of frames."""

    has_timestamps: bool
    origin: float
    unit: float  # seconds
    frame: float  # seconds from a frame to the next, on average

    def latest(self, time: float) -> int:
        """The latest stamp that a frame shown at `time` may bear."""
        return math.floor((self.origin + time + min(MAX_TOLERANCE, self.frame / 2)) / self.unit)

    def seconds(self, stamp: int) -> float:
        return stamp * self.unit - self.origin


@contextmanager
def open_container(path: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A file and its first moving picture; failures get its name."""
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


def has_timestamps(container: InputContainer) -> bool:
    return container.format.name not in FORMATS_WITHOUT_TIMESTAMPS


def clock_for(recording: Recording, container: InputContainer, stream: VideoStream) -> Clock:
    """The file's clock; frames of a container without stamps are counted instead."""
    frame = 1 / recording.fps
    if not has_timestamps(container):
        return Clock(False, 0.0, frame, frame)
    assert stream.time_base is not None
    return Clock(True, recording.first, float(stream.time_base), frame)
