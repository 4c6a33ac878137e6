"""Frames at given times: one interface, and a reader for each form in which recordings are kept."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import UInt8

from video.recording import ReaderName, Recording


def read_frames(
    recording: Recording, times: Sequence[float], rows: int, columns: int
) -> UInt8[np.ndarray, "t h w c"]:
    """The frames shown at ascending `times`, scaled to `rows` by `columns`, in RGB.

    A frame is shown until the next one comes; a time just before a frame means that frame, so that
    rounded stamps do no harm. Raises UnreadableVideo.
    """
    return reader_of(recording.reader)(recording, times, rows, columns)


Reader = Callable[[Recording, Sequence[float], int, int], UInt8[np.ndarray, "t h w c"]]


def reader_of(name: ReaderName) -> Reader:
    """A reader by its name in manifests; its library is imported now, not before."""
    if name == "pyav":
        from video.readers.pyav_reader import read_by_timestamp as read
    elif name == "sequential":
        from video.readers.pyav_reader import read_sequentially as read
    elif name == "decord":
        from video.readers.decord_reader import read_by_decord as read
    elif name == "frames":
        from video.readers.image_readers import read_folder as read
    else:
        from video.readers.image_readers import read_pack as read
    return read
