"""Some frames spread over a recording, for little time: the key frames of a video."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from jaxtyping import UInt8

from video.readers.container import Clock, clock_for, open_container, seek
from video.readers.pyav_reader import convert
from video.readers.random_access import read_frames
from video.readers.sequential import SequentialDecoder, image_times
from video.recording import Recording, UnreadableVideo

MIN_KEY_FRAMES = 24  # with fewer, frames are decoded one after the other
MAX_SEQUENTIAL_SECONDS = 120.0  # that are decoded then

Shown = tuple[float, UInt8[np.ndarray, "y x 3"]]  # a frame, and its time in seconds


class _Wanted(NamedTuple):
    """The frames that a caller wants, and their size."""

    recording: Recording
    times: Sequence[float]  # in ascending order, in seconds
    rows: int
    columns: int
    report_progress: Callable[[float], None]


def spread_frames(
    recording: Recording,
    times: Sequence[float],
    rows: int,
    columns: int,
    report_progress: Callable[[float], None],
) -> list[Shown]:
    """The images at `times`; of a video the last key frame before each of them.

    Frames that cannot be decoded are left out. Of a video with few key frames, these are the frames
    at the `times` of its first two minutes.
    """
    wanted = _Wanted(recording, times, rows, columns, report_progress)
    if recording.is_image_sequence:
        return list(_images(wanted))
    try:
        found = _key_frames(wanted)
    except UnreadableVideo:  # seeking fails in it
        found = []
    if len(found) >= min(MIN_KEY_FRAMES, len(times)):
        return found
    found = []
    try:
        for shown in _in_order(wanted):
            found.append(shown)
    except UnreadableVideo:  # it is damaged after the frames that were found
        pass
    return found


def _images(wanted: _Wanted) -> Iterator[Shown]:
    recording, known = wanted.recording, image_times(wanted.recording)
    for number in sorted({max(bisect_right(known, time) - 1, 0) for time in wanted.times}):
        wanted.report_progress(0.0)
        time = known[number]
        try:
            yield time, read_frames(recording, [time], wanted.rows, wanted.columns)[0]
        except UnreadableVideo:
            continue


def _in_order(wanted: _Wanted) -> Iterator[Shown]:
    times, due = wanted.times, 0
    for number, frame in enumerate(SequentialDecoder(wanted.recording)):
        if number % 100 == 0:
            wanted.report_progress(0.0)
        if frame.time > MAX_SEQUENTIAL_SECONDS or due == len(times):
            return
        if frame.time >= times[due]:
            due = bisect_right(times, frame.time)
            yield frame.time, frame.pixels(wanted.rows, wanted.columns)


def _key_frames(wanted: _Wanted) -> list[Shown]:
    recording, found = wanted.recording, dict[int, UInt8[np.ndarray, "y x 3"]]()
    with open_container(recording.path, recording.stream) as (container, stream):
        clock = clock_for(recording, container, stream)
        for packet, timestamp in _key_packets(container, stream, clock, wanted.times):
            wanted.report_progress(0.0)
            if timestamp in found:
                continue
            image = _decode(packet, stream, wanted.rows, wanted.columns, recording.rotation)
            if image is not None:
                found[timestamp] = image
    return [(clock.seconds(timestamp), found[timestamp]) for timestamp in sorted(found)]


def _key_packets(
    container: InputContainer,
    stream: VideoStream,
    clock: Clock,
    times: Sequence[float],
) -> Iterator[tuple[Packet, int]]:
    """The packets of key frames near `times`, with their timestamps."""
    if not clock.has_timestamps:  # seeking may go wrong, so all packets are read
        due = 0
        for packet in container.demux(stream):
            if due == len(times):
                return
            if packet.dts is not None and packet.size and packet.is_keyframe:
                time = clock.seconds(packet.dts)
                if time >= times[due]:
                    due = bisect_right(times, time)
                    yield packet, packet.dts
        return
    for time in times:
        seek(container, stream, clock, time)
        for packet in container.demux(stream):
            if packet.is_keyframe and packet.pts is not None:
                yield packet, packet.pts
                break


def _decode(
    packet: Packet, stream: VideoStream, rows: int, columns: int, rotation: int
) -> UInt8[np.ndarray, "y x 3"] | None:
    """The image of a key frame alone; None where it is damaged."""
    codec = stream.codec_context
    try:
        frames = [*codec.decode(packet), *codec.decode(None)]
    except av.FFmpegError:
        frames = []
    codec.flush_buffers()
    intact = [frame for frame in frames if not frame.is_corrupt]
    return convert(intact[:1], rows, columns, rotation)[0] if intact else None
