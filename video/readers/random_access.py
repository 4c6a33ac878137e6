"""Frames of a recording at given times, by the reader that its row names."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from video.readers.registry import load_reader
from video.recording import Recording


def read_frames(
    recording: Recording, times: Sequence[float], rows: int, columns: int
) -> UInt8[np.ndarray, "t h w c"]:
    """The frames displayed at ascending `times`, as RGB resized to `rows` by `columns`.

    A frame is displayed until the next one begins. A time slightly before a frame's timestamp
    counts as that frame, because timestamps are rounded. Raises UnreadableVideo.
    """
    clip: UInt8[np.ndarray, "t h w c"] = load_reader(recording.reader)(
        recording, times, rows, columns
    )
    return clip
