"""The timestamps of a video's packets, without decoding.

A duration in a header does not say what can be shown: gaps are found in the packets.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NoReturn

from av.container import InputContainer
from av.video.stream import VideoStream

from video.readers.container import open_container
from video.readers.mp4_boxes import count_movies
from video.recording import UnreadableVideo

# Containers with a table of all packets, in which gaps can be seen. PyAV shows it from 16 on.
INDEXED = frozenset({"mov,mp4,m4a,3gp,3g2,mj2"})
# Containers of which FFmpeg joins the time axes of parts when it copies packets.
REJOINED = frozenset({"mpegts", "mpeg"})
END_SECONDS = 2  # searched for the last frame, which need not be the last packet
MAX_BACKWARD_SECONDS = 1.0  # by which decoding times may jitter; those of a joined part begin again


def packet_timestamps(
    path: str,
    max_gap: float,
    report_progress: Callable[[float], None],
    stream_index: int | None = None,
) -> list[int]:
    """The timestamps in ascending order, the last one that of the last frame.

    Some may be absent, but only where there is no gap of more than `max_gap` seconds. Raises
    UnreadableVideo where there are none, or where they begin again.
    """
    with open_container(path, stream_index) as (container, stream):
        if container.format.name in INDEXED and (movies := count_movies(path)) > 1:
            raise UnreadableVideo(
                path,
                f"is {movies} files joined byte by byte, of which only one can be read; give them "
                "one by one, or join them with ffmpeg's concat demuxer",
            )
        if container.format.name in INDEXED and (known := _indexed(container, stream, max_gap)):
            return known
    with open_container(path, stream_index) as (container, stream):
        timestamps = sorted(_read(container, stream, report_progress))
    if not timestamps:
        raise UnreadableVideo(path, "contains no frame with a timestamp")
    return timestamps


def _indexed(container: InputContainer, stream: VideoStream, max_gap: float) -> list[int]:
    """The timestamps of the index and of the last packets; empty where they have a gap."""
    assert stream.time_base is not None
    begin = stream.start_time or 0
    near_end = begin + (stream.duration or 0) - round(END_SECONDS / stream.time_base)
    container.seek(max(near_end, begin), stream=stream)
    ending = list(_read(container, stream, lambda progress: None))
    index = (entry.timestamp for entry in getattr(stream, "index_entries", ()))
    latest = max(ending, default=begin)
    known = sorted({begin, *(timestamp for timestamp in index if timestamp < latest), latest})
    longest = max((after - before for before, after in pairwise(known)), default=0)
    return known if ending and longest * stream.time_base <= max_gap else []


def _read(
    container: InputContainer, stream: VideoStream, report_progress: Callable[[float], None]
) -> Iterator[int]:
    """The timestamps of the following packets, in the order of the file.

    Raises UnreadableVideo where they begin again, because readers would mix up both parts.
    """
    unit, latest = float(stream.time_base or 0), None
    for number, packet in enumerate(container.demux(stream)):
        if number % 1000 == 0:
            report_progress(0.0)
        if packet.dts is not None:
            if latest is not None and (latest - packet.dts) * unit > MAX_BACKWARD_SECONDS:
                _refuse_joined(container, latest * unit, packet.dts * unit)
            latest = packet.dts if latest is None else max(latest, packet.dts)
        if packet.pts is not None and not packet.is_discard:
            yield packet.pts


def _refuse_joined(container: InputContainer, before: float, after: float) -> NoReturn:
    cure = "give its parts one by one"
    if container.format.name in REJOINED:
        cure = (
            "`ffmpeg -fflags +genpts -i IN -map 0:v:0 -c copy OUT.mkv` writes them on one time axis"
        )
    raise UnreadableVideo(
        container.name,
        f"its timestamps go back from {before:.2f} to {after:.2f} s, as where files were joined; "
        f"{cure}",
    )
