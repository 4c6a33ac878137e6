"""Frames of a recording at given times, by the reader that its row names."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from video.readers.registry import load_reader
from video.recording import Recording, blamed_on


def read_frames(
    recording: Recording, times: Sequence[float], rows: int, columns: int
) -> UInt8[np.ndarray, "t h w c"]:
    """The frames displayed at ascending `times`, as RGB resized to `rows` by `columns`.

    A frame is displayed until the next one begins. A time slightly before a frame's timestamp
    counts as that frame, because timestamps are rounded. Raises UnreadableVideo, whatever the
    reader raises.
    """
    read = load_reader(recording.reader)
    with blamed_on(recording.path):
        clip: UInt8[np.ndarray, "t h w c"] = read(recording, times, rows, columns)
    return clip
