"""Chooses among several moving pictures in a file: the largest that lasts."""

from collections.abc import Callable
from typing import NamedTuple

from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from video.recording import UnreadableVideo

LASTS = 0.5  # of the longest stream; a shorter one is a title or a thumbnail


class StreamLength(NamedTuple):
    """A moving picture in a file."""

    number: int  # among all streams of the file, as ffprobe counts
    width: int
    height: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.number} ({self.width}x{self.height}, {self.seconds:.1f} s)"


def moving_pictures(container: InputContainer) -> list[VideoStream]:
    """The video streams that are no cover images."""
    return [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]


def take_stream(container: InputContainer, path: str, index: int | None) -> VideoStream:
    """The video stream with an index, or the first. Raises UnreadableVideo."""
    streams = moving_pictures(container)
    if not streams:
        raise UnreadableVideo(path, "contains no video stream, perhaps only audio")
    if index is None:
        return streams[0]
    for stream in streams:
        if stream.index == index:
            return stream
    others = ", ".join(str(stream.index) for stream in streams)
    raise UnreadableVideo(path, f"has no video stream {index}, only {others}; give one of these")


def measure_streams(
    container: InputContainer, report_progress: Callable[[float], None]
) -> list[StreamLength]:
    """The moving pictures of a file and how long they last, by reading all packets."""
    streams = moving_pictures(container)
    spans: dict[int, tuple[float, float]] = {}
    for number, packet in enumerate(container.demux(streams)):
        if number % 1000 == 0:
            report_progress(0.0)
        if packet.dts is not None and packet.time_base is not None:
            time = float(packet.dts * packet.time_base)
            first, last = spans.get(packet.stream.index, (time, time))
            spans[packet.stream.index] = min(first, time), max(last, time)
    lengths = []
    for stream in streams:
        first, last = spans.get(stream.index, (0.0, 0.0))
        lengths.append(StreamLength(stream.index, stream.width, stream.height, last - first))
    return lengths


def largest_that_lasts(streams: list[StreamLength]) -> StreamLength:
    """The one with the most pixels among those that last half as long as the longest."""
    longest = max(stream.seconds for stream in streams)
    lasting = [stream for stream in streams if stream.seconds >= LASTS * longest]
    return max(lasting, key=lambda stream: stream.width * stream.height)
