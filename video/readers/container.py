"""Opens a video file for decoding in one thread, and converts its timestamps."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from video.readers.streams import take_stream
from video.readers.undecodable import why_undecodable
from video.recording import Recording, UnreadableVideo

# They store no timestamps, and those that their demuxers guess are out of order.
FORMATS_WITHOUT_TIMESTAMPS = frozenset({"avi", "h264", "hevc", "m4v", "mpegvideo"})
NOT_SEEKABLE = FORMATS_WITHOUT_TIMESTAMPS - {"avi"}  # they have no index either
MAX_TOLERANCE = 0.01  # seconds: timestamps are rounded


def timestamp_tolerance(fps: float) -> float:
    """Seconds by which a time may precede a frame's timestamp: half a frame at most."""
    return min(MAX_TOLERANCE, 0.5 / fps)


class Clock(NamedTuple):
    """Converts seconds from a recording's time 0 to timestamps.

    Where a container has none, a frame has the position of the packet that completed it. In AVI,
    positions count the empty chunks that stand for dropped frames, so they keep time.
    """

    has_timestamps: bool
    origin: float  # seconds in the file's own time at the recording's time 0
    unit: float  # seconds
    frame: float  # mean seconds from a frame to the next

    def latest(self, time: float) -> int:
        """The latest timestamp that the frame displayed at `time` may have."""
        return math.floor((self.origin + time + min(MAX_TOLERANCE, self.frame / 2)) / self.unit)

    def seconds(self, timestamp: int) -> float:
        return timestamp * self.unit - self.origin

    def timestamp(self, frame: VideoFrame, packet: Packet, before: int | None) -> int | None:
        """The timestamp of a frame that `packet` completed, after a frame with `before`."""
        if self.has_timestamps:
            return frame.pts
        following = 0 if before is None else before + max(round(self.frame / self.unit), 1)
        if packet.dts is None or (before is not None and packet.dts <= before):
            return following  # the decoder's last frames, or two of one packet
        return packet.dts


@contextmanager
def open_container(
    path: str, stream: int | None = None
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A file and its video stream with an index, or its first.

    Errors of FFmpeg become UnreadableVideo.
    """
    try:
        if Path(path).stat().st_size == 0:
            raise UnreadableVideo(path, "is empty (0 bytes); copy it again")
        with av.open(path, metadata_errors="replace") as container:
            chosen = take_stream(container, path, stream)
            if chosen.codec_context is None:
                raise UnreadableVideo(path, "has a damaged header, its codec is unknown")
            chosen.codec_context.thread_count = 1
            yield container, chosen
    except (av.FFmpegError, OSError) as error:
        reason = f"cannot be decoded ({error.strerror or error})"
        if isinstance(error, av.InvalidDataError):
            reason += f": {why_undecodable(path)}"
        raise UnreadableVideo(path, reason) from None


def has_timestamps(container: InputContainer) -> bool:
    return container.format.name not in FORMATS_WITHOUT_TIMESTAMPS


def clock_for(recording: Recording, container: InputContainer, stream: VideoStream) -> Clock:
    """The clock of a file. Without timestamps, time 0 is where the first frame is complete."""
    assert stream.time_base is not None
    unit, frame = float(stream.time_base), 1 / recording.fps
    if has_timestamps(container):
        return Clock(True, recording.first, unit, frame)
    return Clock(False, _first_position(recording) * unit, unit, frame)


def _first_position(recording: Recording) -> int:
    with open_container(recording.path, recording.stream) as (container, stream):
        for packet in container.demux(stream):
            if packet.decode():
                return packet.dts or 0
    return 0


def seek(container: InputContainer, stream: VideoStream, clock: Clock, time: float) -> bool:
    """Goes to a key frame near `time`, if that is not at the beginning; returns whether it did."""
    if time <= 0 or container.format.name in NOT_SEEKABLE:
        return False
    container.seek(math.floor((clock.origin + time) / clock.unit), stream=stream)
    return True
