"""Probes a recording: frame rate, duration and size of a video, a folder or a pack."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from video.discover import PACK_SUFFIX
from video.manifest import ManifestError, recording_from
from video.readers import jpeg_pack
from video.readers.container import has_timestamps, open_container
from video.readers.frame_folder import image_size, list_images
from video.recording import Recording, Span, UnreadableVideo, spans_within

END_SECONDS = 2  # searched for the last frame, which need not be the last packet
MAX_MISSING_SECONDS = 2.0  # by which a file may end before the duration in its header
MAX_FRAME_SECONDS = 10.0  # a frame that would be displayed longer is followed by a hole


def probe(path: str, folder_fps: float = 1.0) -> Recording:
    """Opens a recording, decodes its first frame and finds its end.

    `folder_fps` is the frame rate of a folder of images. Raises UnreadableVideo, also for a file
    that is shorter than its header says.
    """
    if Path(path).is_dir():
        return _probe_folder(path, folder_fps)
    if path.endswith(PACK_SUFFIX):
        return _probe_pack(path)
    return _probe_video(path)


def holes_between(times: list[float], fps: float) -> tuple[Span, ...]:
    """Spans without frames: before the first one, and gaps longer than MAX_FRAME_SECONDS."""
    longest = max(MAX_FRAME_SECONDS, 2 / fps)
    holes = [(0.0, times[0])] if times[0] > 0 else []
    for before, after in pairwise(times):
        if after - before > longest:
            holes.append((before + 1 / fps, after))
    return spans_within(holes, times[-1] if times else 0.0)


def _probe_pack(path: str) -> Recording:
    with jpeg_pack.open_pack(path) as pack:
        try:
            recording = recording_from(json.loads(pack.description()), path)
        except (ManifestError, ValueError, AttributeError) as error:
            raise UnreadableVideo(path, f"has a damaged description ({error})") from None
    return replace(recording, path=path)


def _probe_folder(path: str, fps: float) -> Recording:
    listing = list_images(path)
    if not len(listing.numbers):
        raise UnreadableVideo(path, "contains no numbered images")
    height, width = image_size(path, str(listing.names[0]))
    first = int(listing.numbers[0])
    times = [(number - first) / fps for number in listing.numbers.tolist()]
    return Recording(
        path,
        "frames",
        fps,
        len(times),
        times[-1] + 1 / fps,
        width,
        height,
        first / fps,
        holes=holes_between(times, fps),
    )


def _probe_video(path: str) -> Recording:
    with open_container(path) as (container, stream):
        frame = next(container.decode(stream), None)
        rate, base = stream.average_rate or stream.guessed_rate, stream.time_base
        if frame is None or not rate or base is None:
            raise UnreadableVideo(path, "contains no frame that can be decoded")
        fps, first, stamped = float(rate), 0.0, has_timestamps(container)
        if stamped:
            first = float((frame.pts or 0) * base)
            seconds = float(_last_timestamp(container, stream) * base) - first + 1 / fps
        header_seconds = _header_seconds(container, stream, first)
        rotation = -frame.rotation % 360
        width, height = round(frame.width * (stream.sample_aspect_ratio or 1)), frame.height
    if not stamped:
        with open_container(path) as (container, stream):
            seconds = sum(1 for packet in container.demux(stream) if packet.size) / fps
    if seconds < header_seconds - max(MAX_MISSING_SECONDS, 4 / fps):
        raise UnreadableVideo(
            path,
            f"is truncated: its header says {header_seconds:.1f} s, it ends at {seconds:.1f} s",
        )
    if rotation % 90:
        raise UnreadableVideo(
            path, f"is rotated by {rotation} degrees; only multiples of 90 are supported"
        )
    width, height = (height, width) if rotation % 180 else (width, height)
    return Recording(
        path,
        "pyav" if stamped else "sequential",
        fps,
        round(seconds * fps),
        seconds,
        width,
        height,
        first,
        rotation,
    )


def _header_seconds(container: InputContainer, stream: VideoStream, first: float) -> float:
    """The duration in the header; 0 where it has none, or where that may be the audio's."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if len(container.streams) > 1 or not container.duration:
        return 0.0
    return container.duration / av.time_base - max(
        first, 0.0
    )  # in mkv, the duration is the time of the end


def _last_timestamp(container: InputContainer, stream: VideoStream) -> int:
    """The latest timestamp near the end, or of the whole file where none is found there."""
    assert stream.time_base is not None
    begin = stream.start_time or 0
    near_end = begin + (stream.duration or 0) - round(END_SECONDS / stream.time_base)
    timestamps: list[int] = []
    for position in (max(near_end, begin), begin):
        container.seek(position, stream=stream)
        packets = container.demux(stream)
        timestamps = [p.pts for p in packets if p.pts is not None and not p.is_discard]
        if timestamps:
            break
    return max(timestamps, default=0)
