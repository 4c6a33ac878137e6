"""Frames of a video file at given times, by torchcodec in its exact seek mode."""

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torchcodec
from jaxtyping import Float, UInt8
from torchcodec.decoders import VideoDecoder
from torchcodec.transforms import Resize

from video.readers.container import timestamp_tolerance
from video.recording import Recording, UnreadableVideo

if torchcodec.ffmpeg_major_version is None:  # importing it succeeds without FFmpeg
    raise ImportError("torchcodec finds no shared libraries of FFmpeg")
MAX_DECODERS = 4  # open per process: opening one scans the file for its timestamps


def read_by_torchcodec(
    recording: Recording, times: Sequence[float], rows: int, columns: int
) -> UInt8[np.ndarray, "t h w c"]:
    """See `random_access.read_frames`; torchcodec itself turns rotated frames upright.

    Never uses the approximate mode, which returns neighbouring frames in long files. Reads fail in
    MPEG-TS, where torchcodec seeks too far, and at the last frame of a file with open GOPs.
    """
    if times[-1] > recording.seconds:
        raise UnreadableVideo(recording.path, f"has no frame at {times[-1]:.2f} s")
    wanted = np.asarray(times) + timestamp_tolerance(recording.fps) + recording.first
    try:
        decoder = _open_decoder(recording.path, recording.stream, rows, columns, os.getpid())
        clip, timestamps = _decode(decoder, wanted)
    except (RuntimeError, ValueError, IndexError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnreadableVideo(recording.path, f"torchcodec cannot read it ({reason})") from None
    late = timestamps > wanted
    if late.any():
        lost = float(np.asarray(times)[late][0])
        raise UnreadableVideo(recording.path, f"torchcodec misses the frame at {lost:.2f} s")
    return clip


def _decode(
    decoder: Any, wanted: Float[np.ndarray, " t"]
) -> tuple[UInt8[np.ndarray, "t h w c"], Float[np.ndarray, " t"]]:
    """The frames displayed at `wanted`, and their timestamps in seconds."""
    batches = []
    # the duration of the last packet may be 0, so that torchcodec's end is the last timestamp
    before_end = wanted[wanted < decoder.metadata.end_stream_seconds].tolist()
    if before_end:
        batches.append(decoder.get_frames_played_at(before_end))
    if at_end := len(wanted) - len(before_end):
        batches.append(decoder.get_frames_at([len(decoder) - 1] * at_end))
    clip = np.concatenate([batch.data.numpy() for batch in batches])
    return clip, np.concatenate([batch.pts_seconds.numpy() for batch in batches])


@lru_cache(MAX_DECODERS)
def _open_decoder(path: str, stream: int | None, rows: int, columns: int, process: int) -> Any:
    """An open decoder; `process` keeps a forked worker from sharing its parent's file offset."""
    return VideoDecoder(
        path,
        stream_index=stream,
        dimension_order="NHWC",
        num_ffmpeg_threads=1,
        device="cpu",
        seek_mode="exact",
        transforms=[Resize((rows, columns))],
    )
