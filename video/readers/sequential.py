"""Decodes all frames of a recording in order, and reports those that are damaged."""

import math
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from jaxtyping import UInt8

from video.readers import jpeg_pack
from video.readers.container import Clock, clock_for, open_container, seek
from video.readers.frame_folder import list_images
from video.readers.pyav_reader import convert
from video.readers.random_access import read_frames
from video.recording import Recording, Span, UnreadableVideo

MAX_DAMAGE_SECONDS = 10.0  # after a lost frame, where key frames are distant

FramePixels = Callable[[int, int], UInt8[np.ndarray, "rows columns 3"]]


class DecodedFrame(NamedTuple):
    """A frame with its metadata; `pixels(rows, columns)` converts it to RGB of that size."""

    time: float  # seconds from time 0
    is_key: bool
    interlaced: bool
    pixels: FramePixels


class SequentialDecoder:
    """An iterable of the frames of a recording; afterwards its fields report damage.

    Decoding a video starts at a key frame near `begin`, in seconds. Damaged frames are skipped and
    counted. A recording that cannot be opened raises UnreadableVideo.
    """

    def __init__(self, recording: Recording, begin: float = 0.0) -> None:
        self._recording, self.begin = recording, begin
        self.header_frames = 0  # in the header of a video file; 0 if it does not say
        self.lost: list[float] = []  # times of frames that exist but cannot be decoded
        # for each, the time of the first frame that is decoded after it, and may refer to it
        self.affected: list[float] = []
        self.key_times: list[float] = []  # of the key frames that were decoded
        self.errors = 0  # packets that the decoder rejected

    def __iter__(self) -> Generator[DecodedFrame, None, None]:
        if self._recording.is_image_sequence:
            return self._image_frames()
        return self._video_frames()

    def damaged(self, end: float) -> list[Span]:
        """Where frames are lost or may refer to a lost one: up to the next key frame."""
        return [
            (first, self._next_key(lost))
            for lost, first in zip(self.lost, self.affected, strict=True)
            if lost < end
        ]

    def _next_key(self, lost: float) -> float:
        limit = lost + max(MAX_DAMAGE_SECONDS, 1 / self._recording.fps)
        following = bisect_right(self.key_times, lost)
        return min([*self.key_times[following : following + 1], limit])

    def _image_frames(self) -> Generator[DecodedFrame, None, None]:
        recording = self._recording
        times = image_times(recording)
        self.header_frames = len(times)
        for time in times:
            try:
                native = read_frames(recording, [time], *recording.shape)[0]
            except UnreadableVideo:
                self.lost.append(time)
                self.affected.append(time)
                continue
            self.key_times.append(time)
            yield DecodedFrame(time, True, False, _from_array(native))

    def _video_frames(self) -> Generator[DecodedFrame, None, None]:
        recording = self._recording
        missing: set[int] = set()  # timestamps of packets whose frames were not decoded yet
        order: list[int] = []  # timestamps of packets in the order of decoding
        with open_container(recording.path, recording.stream) as (container, stream):
            clock = clock_for(recording, container, stream)
            seek(container, stream, clock, self.begin)
            self.header_frames = stream.frames
            try:
                yield from self._decode(container.demux(stream), clock, missing, order)
            finally:  # also where the rest is not wanted
                lost = sorted(missing)
                self.lost = [clock.seconds(timestamp) for timestamp in lost]
                self.affected = [clock.seconds(first) for first in _first_after(lost, order)]

    def _decode(
        self, packets: Iterator[Packet], clock: Clock, missing: set[int], order: list[int]
    ) -> Iterator[DecodedFrame]:
        before = None
        for packet in packets:
            if clock.has_timestamps and packet.size and not packet.is_discard:
                announced = [] if packet.pts is None else [packet.pts]
                missing.update(announced)
                order += announced
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                self.errors += 1
                if not clock.has_timestamps and packet.dts is not None:
                    missing.add(packet.dts)
                continue
            for frame in frames:
                timestamp = clock.timestamp(frame, packet, before)
                if timestamp is None or (before is not None and timestamp <= before):
                    self.errors += 1
                    continue
                before = timestamp
                if frame.is_corrupt:
                    missing.add(timestamp)
                    continue
                missing.discard(timestamp)
                time = clock.seconds(timestamp)
                pixels = _from_frame(frame, self._recording.rotation)
                self.key_times += [time] if frame.key_frame else []
                yield DecodedFrame(time, frame.key_frame, frame.interlaced_frame, pixels)


def _first_after(lost: list[int], order: list[int]) -> list[int]:
    """The earliest timestamp decoded with or after each lost one: B frames are shown before it."""
    earliest: dict[int, int] = {}
    first: float = math.inf
    for timestamp in reversed(order):
        first = min(first, timestamp)
        earliest[timestamp] = int(first)
    return [earliest.get(timestamp, timestamp) for timestamp in lost]


def _from_frame(frame: VideoFrame, rotation: int) -> FramePixels:
    return lambda rows, columns: convert([frame], rows, columns, rotation)[0]


def _from_array(native: UInt8[np.ndarray, "y x 3"]) -> FramePixels:
    frame = av.VideoFrame.from_ndarray(native, format="rgb24")
    return lambda rows, columns: convert([frame], rows, columns, 0)[0]


def image_times(recording: Recording) -> list[float]:
    """The times of a folder's or a pack's images. Raises UnreadableVideo."""
    if recording.kind == "pack":
        with jpeg_pack.open_pack(recording.path) as pack:
            return list(map(float, pack.times(0, pack.images)))
    numbers = list_images(recording.path).numbers
    return [number / recording.fps - recording.first for number in numbers.tolist()]
