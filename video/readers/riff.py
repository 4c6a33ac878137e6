"""The chunks of an AVI file, by their sizes alone."""

import struct
from pathlib import Path

CHUNK_HEADER = struct.Struct("<4sI")  # name and size


def ends_early(path: str) -> bool:
    """Whether a file ends before the last of its RIFF chunks does, as a copy that was broken off.

    A file of more than 1 GB has several chunks, one behind the other.
    """
    file_size, end = Path(path).stat().st_size, 0
    with Path(path).open("rb") as file:
        while end + CHUNK_HEADER.size <= file_size:
            file.seek(end)
            name, size = CHUNK_HEADER.unpack(file.read(CHUNK_HEADER.size))
            if name != b"RIFF":
                return False
            end += CHUNK_HEADER.size + size + size % 2
    return end > file_size
