"""Frames of a video file at given times, by decord."""

from collections.abc import Sequence

import decord
import numpy as np
from jaxtyping import UInt8

from video.readers.container import timestamp_tolerance
from video.recording import Recording, UnreadableVideo


def read_by_decord(
    recording: Recording, times: Sequence[float], rows: int, columns: int
) -> UInt8[np.ndarray, "t h w c"]:
    """See `random_access.read_frames`.

    Opens the file for each read: an open decord reader keeps a core busy, and its memory grows.
    """
    if recording.stream is not None:
        raise UnreadableVideo(recording.path, "has several video streams; decord takes the first")
    height, width = (columns, rows) if recording.rotation % 180 else (rows, columns)
    try:
        reader = decord.VideoReader(recording.path, width=width, height=height, num_threads=1)
        starts = np.asarray(reader.get_frame_timestamp(range(len(reader))))[:, 0]
        wanted = np.asarray(times) + timestamp_tolerance(recording.fps) + recording.first
        indices = np.searchsorted(starts, wanted, side="right") - 1
        if indices[0] < 0 or times[-1] > recording.seconds:
            raise UnreadableVideo(recording.path, f"has no frame at {times[-1]:.2f} s")
        clip = reader.get_batch(indices).asnumpy()
    except (decord.DECORDError, RuntimeError, IndexError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnreadableVideo(recording.path, f"decord cannot read it ({reason})") from None
    return np.ascontiguousarray(np.rot90(clip, -recording.rotation // 90, (1, 2)))
