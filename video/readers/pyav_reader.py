"""Frames of a video file at given times, by PyAV.

Frames are found by time stamp, never by counting from a seek. What a packet announced for a time
must be what was decoded for it; else the read fails by name, for a decoder drops what is damaged.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import numpy as np
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8

from video.readers.container import Clock, clock_for, open_container
from video.recording import Recording, UnreadableVideo

# Seconds before the first wanted frame at which decoding may start; the last is the file's start.
# Some containers seek too late, and some streams have one key frame only.
RUN_UPS = (0.0, 10.0, 60.0, math.inf)


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


def read_after(
    recording: Recording, times: Sequence[float], rows: int, columns: int, run_up: float
) -> UInt8[np.ndarray, "t h w c"]:
    """The same frames, by decoding all from `run_up` seconds before the first of them."""
    longer = [run_up, *(other for other in RUN_UPS if other > run_up)]
    shown = _decode_after_seek(recording, times, longer, thrifty=False)
    return convert(shown, rows, columns, recording.rotation)


def _read(
    recording: Recording, times: Sequence[float], rows: int, columns: int, run_ups: Sequence[float]
) -> UInt8[np.ndarray, "t h w c"]:
    try:
        shown = _decode_after_seek(recording, times, run_ups, thrifty=True)
    except UnreadableVideo:  # perhaps for want of what thrift left out
        shown = _decode_after_seek(recording, times, run_ups, thrifty=False)
    return convert(shown, rows, columns, recording.rotation)


def _decode_after_seek(
    recording: Recording, times: Sequence[float], run_ups: Sequence[float], thrifty: bool
) -> list[VideoFrame]:
    """The frames shown at `times`, found with the first run-up that is long enough."""
    for run_up in run_ups:
        with open_container(recording.path) as (container, stream):
            clock = clock_for(recording, container, stream)
            if clock.has_timestamps and run_up < math.inf:
                start = recording.first + max(times[0] - run_up, 0.0)
                container.seek(math.floor(start / clock.unit), stream=stream)
            limits = [clock.latest(time) for time in times]
            decoding = _PacketDecoder(container, stream, clock, limits if thrifty else None)
            shown = _select_frames(times, limits, recording, clock, decoding)
            if shown is not None:
                return shown
    raise UnreadableVideo(recording.path, f"no frame can be decoded at {times[0]:.2f} s")


class _PacketDecoder:
    """Frames with their stamps in the order of display, and the stamps that packets announced.

    Given the latest stamps of all frames that are wanted, it leaves out others that no frame
    refers to, often half of all.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        clock: Clock,
        limits: Sequence[int] | None,
    ) -> None:
        self._container, self._stream, self._clock = container, stream, clock
        self._limits = limits if clock.has_timestamps else None
        self._announced: list[int] = []

    def __iter__(self) -> Iterator[tuple[int, VideoFrame]]:
        number, before = 0, None
        codec: CodecContext = self._stream.codec_context
        for packet in self._container.demux(self._stream):
            if packet.size and not packet.is_discard:
                stamp = packet.pts if self._clock.has_timestamps else len(self._announced)
                if stamp is not None:
                    self._announced.append(stamp)
            if self._limits is not None:
                codec.skip_frame = "DEFAULT" if self._is_wanted(packet) else "NONREF"
            for frame in packet.decode():
                stamp = frame.pts if self._clock.has_timestamps else number
                if stamp is None or (before is not None and stamp <= before):
                    raise UnreadableVideo(
                        self._container.name, f"time stamp {stamp} does not follow {before}"
                    )
                yield stamp, frame
                number, before = number + 1, stamp

    def _is_wanted(self, packet: Packet) -> bool:
        """Whether the packet's frame may be the one shown at a wanted time."""
        if packet.pts is None or self._limits is None:
            return True
        shown_for = max((packet.duration or 0), self._clock.frame / self._clock.unit)
        following = bisect_left(self._limits, packet.pts)
        return following < len(self._limits) and (
            self._limits[following] < packet.pts + 1.5 * shown_for
        )

    def due(self, latest: int) -> int | None:
        """The stamp of the frame that should be shown when `latest` is the latest possible."""
        return max((stamp for stamp in self._announced if stamp <= latest), default=None)


def _select_frames(
    times: Sequence[float],
    limits: Sequence[int],
    recording: Recording,
    clock: Clock,
    decoding: _PacketDecoder,
) -> list[VideoFrame] | None:
    """The frames shown at `times`; None where decoding began after the first of them."""
    chosen: list[VideoFrame] = []
    stamp, shown = 0, None
    for following, frame in decoding:
        while len(chosen) < len(limits) and following > limits[len(chosen)]:
            if shown is None:
                return None
            chosen.append(
                _require_intact(shown, stamp, decoding.due(limits[len(chosen)]), recording, clock)
            )
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
        chosen.append(_require_intact(shown, stamp, decoding.due(limit), recording, clock))
    return chosen


def _require_intact(
    frame: VideoFrame, stamp: int, due: int | None, recording: Recording, clock: Clock
) -> VideoFrame:
    """The frame itself; raises UnreadableVideo where it is damaged or not the one that was due."""
    if frame.is_corrupt or due != stamp:
        lost = clock.seconds(stamp if due is None else due)
        raise UnreadableVideo(recording.path, f"the frame at {lost:.2f} s is damaged")
    return frame


def convert(
    frames: Sequence[VideoFrame], rows: int, columns: int, rotation: int
) -> UInt8[np.ndarray, "t h w c"]:
    """Frames as RGB of a size, turned clockwise by `rotation` degrees."""
    scaler = VideoReformatter()
    height, width = (columns, rows) if rotation % 180 else (rows, columns)
    clip = np.empty((len(frames), height, width, 3), np.uint8)
    for place, frame in enumerate(frames):
        if place and frame is frames[place - 1]:
            clip[place] = clip[place - 1]
            continue
        scaled = scaler.reformat(frame, width, height, "rgb24", interpolation="BILINEAR")
        (plane,) = scaled.planes
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)
        clip[place] = lines[:, : 3 * width].reshape(height, width, 3)
    return np.ascontiguousarray(np.rot90(clip, -rotation // 90, (1, 2)))
