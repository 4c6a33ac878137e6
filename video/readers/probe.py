"""What opening a recording tells: rate, length, size, whatever form it is kept in."""

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
from video.recording import Recording, Span, UnreadableVideo

END_SECONDS = 2  # looked at for the last frame, which need not be the last packet
CUT_SECONDS = 2.0  # a file may end so much before its header says
LONGEST_STILL = 10.0  # seconds for which a frame may stand in for those that did not come


def probe(path: str, folder_fps: float = 1.0) -> Recording:
    """Opens a recording, decodes its first frame and looks at its end.

    `folder_fps` is the rate of a folder of pictures, whose files do not tell it. Raises
    UnreadableVideo, also for a file that ends before its header says.
    """
    if Path(path).is_dir():
        return _probe_folder(path, folder_fps)
    if path.endswith(PACK_SUFFIX):
        return _probe_pack(path)
    return _probe_video(path)


def holes_between(times: list[float], fps: float) -> tuple[Span, ...]:
    """Where no frame came for so long that the last one does not stand in for what was missed."""
    longest = max(LONGEST_STILL, 2 / fps)
    holes = [(0.0, times[0])] if times[0] > 0 else []
    for before, after in pairwise(times):
        if after - before > longest:
            holes.append((before + 1 / fps, after))
    return tuple(holes)


def _probe_pack(path: str) -> Recording:
    with jpeg_pack.open_pack(path) as prepared:
        try:
            recording = recording_from(json.loads(prepared.description()), path)
        except (ManifestError, ValueError, AttributeError) as error:
            raise UnreadableVideo(path, f"has a damaged description ({error})") from None
    return replace(recording, path=path)


def _probe_folder(path: str, fps: float) -> Recording:
    listing = list_images(path)
    if not len(listing.numbers):
        raise UnreadableVideo(path, "holds no numbered pictures")
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
            raise UnreadableVideo(path, "holds no frame that can be decoded")
        fps, first, stamped = float(rate), 0.0, has_timestamps(container)
        if stamped:
            first = float((frame.pts or 0) * base)
            seconds = float(_last_stamp(container, stream) * base) - first + 1 / fps
        announced = _announced_seconds(container, stream, first)
        rotation = -frame.rotation % 360
        width, height = round(frame.width * (stream.sample_aspect_ratio or 1)), frame.height
    if not stamped:
        with open_container(path) as (container, stream):
            seconds = sum(1 for packet in container.demux(stream) if packet.size) / fps
    if seconds < announced - max(CUT_SECONDS, 4 / fps):
        raise UnreadableVideo(
            path, f"is cut off: its header says {announced:.1f} s, it ends at {seconds:.1f} s"
        )
    if rotation % 90:
        raise UnreadableVideo(path, f"is rotated by {rotation} degrees; rotate it by 90, or not")
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


def _announced_seconds(container: InputContainer, stream: VideoStream, first: float) -> float:
    """What the header says; 0 where it says nothing, or means the sound perhaps."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if len(container.streams) > 1 or not container.duration:
        return 0.0
    return container.duration / av.time_base - max(first, 0.0)  # mkv's is the time at its end


def _last_stamp(container: InputContainer, stream: VideoStream) -> int:
    """The latest stamp, looked for from the end, or all through where that finds nothing."""
    assert stream.time_base is not None
    begin = stream.start_time or 0
    near_end = begin + (stream.duration or 0) - round(END_SECONDS / stream.time_base)
    stamps: list[int] = []
    for where in (max(near_end, begin), begin):
        container.seek(where, stream=stream)
        packets = container.demux(stream)
        stamps = [p.pts for p in packets if p.pts is not None and not p.is_discard]
        if stamps:
            break
    return max(stamps, default=0)
