"""All frames of a recording in their order, and what was lost on the way."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import av
import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import UInt8

from video.readers import jpeg_pack
from video.readers.container import clock_for, open_container
from video.readers.frame_folder import list_images
from video.readers.pyav_reader import convert
from video.readers.random_access import read_frames
from video.recording import Recording, UnreadableVideo

FramePixels = Callable[[int, int], UInt8[np.ndarray, "rows columns 3"]]


class DecodedFrame(NamedTuple):
    """A frame of a whole recording; `picture(rows, columns)` gives its pixels."""

    time: float  # seconds from time 0
    is_key: bool
    interlaced: bool
    pixels: FramePixels


class SequentialDecoder:
    """A recording from its first frame to its last; after that, what it lost.

    A frame that is damaged does not come, and is counted; a recording that cannot be opened raises
    UnreadableVideo.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.announced = 0  # frames: by the header of a video file, else as many as there are
        self.lost: list[float] = []  # times of frames that are there and cannot be decoded
        self.errors = 0  # packets that the decoder refused

    def __iter__(self) -> Iterator[DecodedFrame]:
        if self._recording.is_image_sequence:
            return self._pictures()
        return self._video()

    def _pictures(self) -> Iterator[DecodedFrame]:
        recording = self._recording
        times = _times_of_pictures(recording)
        self.announced = len(times)
        for time in times:
            try:
                native = read_frames(recording, [time], *recording.shape)[0]
            except UnreadableVideo:
                self.lost.append(time)
                continue
            yield DecodedFrame(time, True, False, _scaled(native))

    def _video(self) -> Iterator[DecodedFrame]:
        recording = self._recording
        due: set[int] = set()  # stamps that were announced and did not come yet
        with open_container(recording.path) as (container, stream):
            clock = clock_for(recording, container, stream)
            self.announced = stream.frames
            announced, number, before = 0, 0, None
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:
                    stamp = packet.pts if clock.has_timestamps else announced
                    announced += 1
                    due |= {stamp} if stamp is not None else set()
                try:
                    frames = packet.decode()
                except av.InvalidDataError:
                    self.errors += 1
                    continue
                for frame in frames:
                    stamp = frame.pts if clock.has_timestamps else number
                    number += 1
                    if stamp is None or (before is not None and stamp <= before):
                        self.errors += 1
                        continue
                    before = stamp
                    if frame.is_corrupt:
                        continue
                    due.discard(stamp)
                    picture = _converted(frame, recording.rotation)
                    yield DecodedFrame(
                        clock.seconds(stamp), frame.key_frame, frame.interlaced_frame, picture
                    )
            self.lost = sorted(clock.seconds(stamp) for stamp in due)


def _converted(frame: VideoFrame, rotation: int) -> FramePixels:
    return lambda rows, columns: convert([frame], rows, columns, rotation)[0]


def _scaled(native: UInt8[np.ndarray, "y x 3"]) -> FramePixels:
    frame = av.VideoFrame.from_ndarray(native, format="rgb24")
    return lambda rows, columns: convert([frame], rows, columns, 0)[0]


def _times_of_pictures(recording: Recording) -> list[float]:
    if recording.kind == "pack":
        with jpeg_pack.open_pack(recording.path) as prepared:
            return list(map(float, prepared.times(0, prepared.images)))
    numbers = list_images(recording.path).numbers
    return [number / recording.fps - recording.first for number in numbers.tolist()]
