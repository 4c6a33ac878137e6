"""Frames of a video file at given times, by PyAV.

Frames are found by timestamp, never by counting from a seek. Decoders drop damaged frames silently,
so the timestamps of decoded frames are compared with those of the packets, and a read fails where
the frame for a time is missing.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import numpy as np
from av import InvalidDataError
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8

from video.readers.container import Clock, clock_for, open_container, seek
from video.recording import Recording, UnreadableVideo

# Seconds before the first wanted frame at which decoding may start, tried in this order. Some
# containers seek too far, and some streams have only one key frame.
RUN_UPS = (0.0, 10.0, 60.0, math.inf)
# Bytes after a seek, by container, before the first key frame whose timestamp is right: in program
# streams only the first frame that begins in a packet of up to 64 KiB has one, and after a seek
# into a packet the rest of a frame takes it.
UNSETTLED_BYTES = {"mpeg": 65_536}


def read_by_timestamp(
    recording: Recording, times: Sequence[float], rows: int, columns: int
) -> UInt8[np.ndarray, "t h w c"]:
    """See `random_access.read_frames`; seeks to the last key frame before the first time."""
    return _read(recording, times, rows, columns, RUN_UPS)


def read_sequentially(
    recording: Recording, times: Sequence[float], rows: int, columns: int
) -> UInt8[np.ndarray, "t h w c"]:
    """See `random_access.read_frames`; decodes from the beginning of the file."""
    return _read(recording, times, rows, columns, RUN_UPS[-1:])


def _read(
    recording: Recording, times: Sequence[float], rows: int, columns: int, run_ups: Sequence[float]
) -> UInt8[np.ndarray, "t h w c"]:
    try:
        shown = _decode_after_seek(recording, times, run_ups, skip_unused=True)
    except UnreadableVideo:  # perhaps a skipped frame was needed
        shown = _decode_after_seek(recording, times, run_ups, skip_unused=False)
    return convert(shown, rows, columns, recording.rotation)


def _decode_after_seek(
    recording: Recording, times: Sequence[float], run_ups: Sequence[float], skip_unused: bool
) -> list[VideoFrame]:
    """The frames displayed at `times`, with the first run-up that is long enough."""
    for run_up in run_ups:
        with open_container(recording.path, recording.stream) as (container, stream):
            clock = clock_for(recording, container, stream)
            unsettled = 0
            if seek(container, stream, clock, times[0] - run_up):
                unsettled = UNSETTLED_BYTES.get(container.format.name, 0)
            limits = [clock.latest(time) for time in times]
            unused = limits if skip_unused else None
            decoder = _PacketDecoder(container, stream, clock, unused, unsettled)
            shown = _select_frames(times, limits, recording, clock, decoder)
            if shown is not None:
                return shown
    raise UnreadableVideo(recording.path, f"no frame can be decoded at {times[0]:.2f} s")


class _PacketDecoder:
    """Decoded frames with their timestamps in display order, and the timestamps of their packets.

    Given the latest timestamps of all wanted frames, it skips the others that no frame refers to,
    often half of all. Frames before the first key frame behind `unsettled_bytes` are dropped.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        clock: Clock,
        limits: Sequence[int] | None,
        unsettled_bytes: int,
    ) -> None:
        self._unsettled_bytes = unsettled_bytes
        self._container, self._stream, self._clock = container, stream, clock
        self._limits = limits if clock.has_timestamps else None
        self._announced: list[int] = []

    def __iter__(self) -> Iterator[tuple[int, VideoFrame]]:
        before, is_settled = None, not self._unsettled_bytes
        codec: CodecContext = self._stream.codec_context
        for packet in self._container.demux(self._stream):
            if self._clock.has_timestamps and packet.size and not packet.is_discard:
                self._announced += [] if packet.pts is None else [packet.pts]
            if self._limits is not None:
                codec.skip_frame = "DEFAULT" if self._is_wanted(packet) else "NONREF"
            self._unsettled_bytes -= packet.size
            for frame in self._decode(packet):
                is_settled |= frame.key_frame and self._unsettled_bytes <= 0
                if not is_settled:
                    continue
                timestamp = self._clock.timestamp(frame, packet, before)
                if timestamp is None or (before is not None and timestamp <= before):
                    raise UnreadableVideo(
                        self._container.name, f"timestamp {timestamp} does not follow {before}"
                    )
                if not self._clock.has_timestamps:
                    self._announced.append(timestamp)  # packets announce nothing
                yield timestamp, frame
                before = timestamp

    def _decode(self, packet: Packet) -> list[VideoFrame]:
        """The frames that a packet completes; a rejected packet matters where it is expected."""
        try:
            return packet.decode()
        except InvalidDataError:
            if not self._clock.has_timestamps and packet.dts is not None:
                self._announced.append(packet.dts)
            return []

    def _is_wanted(self, packet: Packet) -> bool:
        """Whether the packet's frame may be displayed at a wanted time."""
        if packet.pts is None or self._limits is None:
            return True
        duration = max((packet.duration or 0), self._clock.frame / self._clock.unit)
        following = bisect_left(self._limits, packet.pts)
        return following < len(self._limits) and (
            self._limits[following] < packet.pts + 1.5 * duration
        )

    def expected(self, latest: int) -> int | None:
        """The latest timestamp up to `latest` that a packet has: that of the expected frame."""
        return max(
            (timestamp for timestamp in self._announced if timestamp <= latest),
            default=None,
        )


def _select_frames(
    times: Sequence[float],
    limits: Sequence[int],
    recording: Recording,
    clock: Clock,
    decoder: _PacketDecoder,
) -> list[VideoFrame] | None:
    """The frames displayed at `times`; None where decoding began after the first of them."""
    chosen: list[VideoFrame] = []
    timestamp, shown = 0, None
    for following, frame in decoder:
        while len(chosen) < len(limits) and following > limits[len(chosen)]:
            if shown is None:
                return None
            chosen.append(
                _require_intact(
                    shown, timestamp, decoder.expected(limits[len(chosen)]), recording, clock
                )
            )
        if len(chosen) == len(limits):
            return chosen
        timestamp, shown = following, frame
    if shown is None:
        return None
    end = clock.seconds(timestamp) + clock.frame
    if end < recording.seconds - clock.frame or times[-1] > recording.seconds:
        raise UnreadableVideo(
            recording.path, f"ends at {end:.2f} s, before the frame at {times[-1]:.2f} s"
        )
    for limit in limits[len(chosen) :]:
        chosen.append(_require_intact(shown, timestamp, decoder.expected(limit), recording, clock))
    return chosen


def _require_intact(
    frame: VideoFrame, timestamp: int, expected: int | None, recording: Recording, clock: Clock
) -> VideoFrame:
    """The frame itself. Raises UnreadableVideo where it is damaged or not the expected one."""
    if frame.is_corrupt or expected != timestamp:
        lost = clock.seconds(timestamp if expected is None else expected)
        raise UnreadableVideo(recording.path, f"the frame at {lost:.2f} s is damaged")
    return frame


def convert(
    frames: Sequence[VideoFrame], rows: int, columns: int, rotation: int
) -> UInt8[np.ndarray, "t h w c"]:
    """Frames as RGB of a size, rotated clockwise by `rotation` degrees."""
    scaler = VideoReformatter()
    height, width = (columns, rows) if rotation % 180 else (rows, columns)
    clip = np.empty((len(frames), height, width, 3), np.uint8)
    for index, frame in enumerate(frames):
        if index and frame is frames[index - 1]:
            clip[index] = clip[index - 1]
            continue
        scaled = scaler.reformat(frame, width, height, "rgb24", interpolation="BILINEAR")
        (plane,) = scaled.planes
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)
        clip[index] = lines[:, : 3 * width].reshape(height, width, 3)
    return np.ascontiguousarray(np.rot90(clip, -rotation // 90, (1, 2)))
