"""Probes a recording: frame rate, duration and size of a video, a folder or a pack."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
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
from video.readers.packet_times import packet_timestamps
from video.readers.riff import ends_early
from video.readers.streams import (
    StreamLength,
    largest_that_lasts,
    measure_streams,
    moving_pictures,
    take_stream,
)
from video.recording import (
    LARGEST,
    Recording,
    Span,
    UnreadableVideo,
    WantedStream,
    spans_within,
)

MAX_FRAME_RATE = 1000
MAX_MISSING_SECONDS = 2.0  # by which a file may end before the duration in its header
MAX_FRAME_SECONDS = 10.0  # a frame that would be displayed longer is followed by a hole
MIN_FPS = 1 / 60  # of a video file


def probe(
    path: str,
    folder_fps: float = 1.0,
    report_progress: Callable[[float], None] = lambda progress: None,
    stream: WantedStream = LARGEST,
) -> Recording:
    """Opens a recording, decodes its first frame, and finds its end and its gaps.

    `folder_fps` is the frame rate of a folder of images. Raises UnreadableVideo, also for a file
    that is shorter than its header says, and where its timestamps begin again.
    """
    is_pack = path.endswith(PACK_SUFFIX)
    if not Path(path).is_dir() and not Path(path).is_file():
        raise UnreadableVideo(path, "is no regular file, or missing")  # a pipe never ends
    if stream.is_own and stream.number is not None and (is_pack or Path(path).is_dir()):
        raise UnreadableVideo(path, f"consists of images, it has no stream {stream.number}")
    if Path(path).is_dir():
        return _probe_folder(path, folder_fps)
    if is_pack:
        return _probe_pack(path)
    return _probe_video(path, report_progress, _choose_stream(path, stream, report_progress))


def _max_gap(fps: float) -> float:
    """Seconds for which a frame may be displayed at most."""
    return max(MAX_FRAME_SECONDS, 2 / fps)


def holes_between(times: list[float], fps: float) -> tuple[Span, ...]:
    """Spans without frames: before the first one, and gaps longer than MAX_FRAME_SECONDS."""
    longest = _max_gap(fps)
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


def _choose_stream(
    path: str, wanted: WantedStream, report_progress: Callable[[float], None]
) -> int | None:
    """The index of the stream to read; None: the file has one only."""
    with open_container(path) as (container, _):
        has_several = len(moving_pictures(container)) > 1
        if wanted.number is not None and (has_several or wanted.is_own):
            index = take_stream(container, path, wanted.number).index
            return index if has_several else None
        if not has_several:
            return None
        return largest_that_lasts(measure_streams(container, report_progress)).number


def list_streams(path: str, report_progress: Callable[[float], None]) -> list[StreamLength]:
    """The moving pictures of a video file, by reading all packets. Raises UnreadableVideo."""
    with open_container(path) as (container, _):
        return measure_streams(container, report_progress)


def _probe_video(
    path: str, report_progress: Callable[[float], None], index: int | None
) -> Recording:
    with open_container(path, index) as (container, stream):
        frame = next(container.decode(stream), None)
        rate, base = _frame_rate(stream), stream.time_base
        if frame is None or not rate or base is None:
            raise UnreadableVideo(path, "contains no frame that can be decoded")
        fps, stamped = float(rate), has_timestamps(container)
        first = float((frame.pts or 0) * base) if stamped else 0.0
        header_seconds = _header_seconds(path, container, stream, first)
        rotation = -frame.rotation % 360
        width, height = round(frame.width * (stream.sample_aspect_ratio or 1)), frame.height
    if stamped:
        timestamps = packet_timestamps(path, _max_gap(fps), report_progress, index)
        times = [float(timestamp * base) - first for timestamp in timestamps]
        fps = _fps_between_gaps(times, fps)
    else:
        with open_container(path, index) as (container, stream):
            times = _packet_positions(container, stream, fps)
    holes, seconds = holes_between(times, fps), times[-1] + 1 / fps
    if fps < MIN_FPS:
        raise UnreadableVideo(
            path, f"has {fps:.2g} frames per second, so its timestamps are wrong; copy it again"
        )
    if seconds < header_seconds - max(MAX_MISSING_SECONDS, 4 / fps):
        raise UnreadableVideo(
            path,
            f"is truncated: its header says {header_seconds:.1f} s, it ends at {seconds:.1f} s; "
            "copy it again, or keep what is there (ffmpeg -i OLD -c copy NEW)",
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
        max(1, round((seconds - sum(end - begin for begin, end in holes)) * fps)),
        seconds,
        width,
        height,
        first,
        rotation,
        holes,
        stream=index,
    )


def _fps_between_gaps(times: list[float], mean: float) -> float:
    """The frame rate; the `mean` of a file counts gaps, in which there are no frames."""
    steps = [after - before for before, after in pairwise(times)]
    shown = [step for step in steps if 0 < step <= MAX_FRAME_SECONDS]
    if not shown or max(steps) <= _max_gap(mean):
        return mean
    rate = len(shown) / sum(shown)
    return mean if math.isclose(rate, mean, rel_tol=0.01) else rate


def _frame_rate(stream: VideoStream) -> Fraction | None:
    """The mean frame rate, or the guessed one where the mean is only the clock's."""
    if stream.average_rate and stream.average_rate <= MAX_FRAME_RATE:
        return stream.average_rate
    return stream.guessed_rate or stream.average_rate


def _packet_positions(container: InputContainer, stream: VideoStream, fps: float) -> list[float]:
    """Times of packets that have no timestamps; frames that an AVI dropped take time."""
    packets = [packet for packet in container.demux(stream) if packet.size]
    positions = sorted(packet.dts for packet in packets if packet.dts is not None)
    if len(positions) < len(packets) or not stream.time_base:
        return [number / fps for number in range(len(packets))]
    return [float((position - positions[0]) * stream.time_base) for position in positions]


def _header_seconds(
    path: str, container: InputContainer, stream: VideoStream, first: float
) -> float:
    """The duration in the header; 0 where it has none, or where that may be the audio's."""
    if container.format.name == "avi" and stream.time_base and ends_early(path):
        return float(stream.frames * stream.time_base)  # FFmpeg's duration is that of what is there
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if len(container.streams) > 1 or not container.duration:
        return 0.0
    return container.duration / av.time_base - max(
        first, 0.0
    )  # in mkv, the duration is the time of the end
