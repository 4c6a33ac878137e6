"""The boxes at the top level of an MP4 or MOV file (ISO/IEC 14496-12, section 4.2)."""

from collections.abc import Iterator
from pathlib import Path

HEADER_BYTES, LONG_HEADER_BYTES = 8, 16


def count_movies(path: str) -> int:
    """How many movies a file has; more than one where files were joined byte by byte.

    Readers then show only one of them.
    """
    return sum(kind == b"moov" for kind in _box_kinds(path))


def _box_kinds(path: str) -> Iterator[bytes]:
    """The kinds of the boxes, up to the end or to damage."""
    size = Path(path).stat().st_size
    begin = 0
    with Path(path).open("rb") as file:
        while begin + HEADER_BYTES <= size:
            file.seek(begin)
            header = file.read(LONG_HEADER_BYTES)
            length, kind = int.from_bytes(header[:4], "big"), header[4:8]
            yield kind
            if length == 1:  # the length follows in 8 bytes
                length = int.from_bytes(header[8:], "big")
            if length < HEADER_BYTES:  # 0: up to the end
                return
            begin += length
