"""The boxes at the top level of an MP4 or MOV file (ISO/IEC 14496-12, section 4.2)."""

from collections.abc import Iterator
from pathlib import Path

FIRST = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")  # kinds that a file begins with
HEADER_BYTES, LONG_HEADER_BYTES = 8, 16


def count_movies(path: str) -> int:
    """How many movies a file has; more than one where files were joined byte by byte.

    Readers then show only one of them.
    """
    return sum(kind == b"moov" for kind, _ in _boxes(path))


def ends_early(path: str) -> bool:
    """Whether a file ends before its last box does, as a copy that was broken off."""
    boxes = list(_boxes(path))
    return bool(boxes) and boxes[0][0] in FIRST and boxes[-1][1] > Path(path).stat().st_size


def _boxes(path: str) -> Iterator[tuple[bytes, int]]:
    """The kinds of the boxes and the bytes where they end, up to the end or to damage."""
    size = Path(path).stat().st_size
    begin = 0
    with Path(path).open("rb") as file:
        while begin + HEADER_BYTES <= size:
            file.seek(begin)
            header = file.read(LONG_HEADER_BYTES)
            length, kind = int.from_bytes(header[:4], "big"), header[4:8]
            if length == 1:  # the length follows in 8 bytes
                length = int.from_bytes(header[8:], "big")
            if length < HEADER_BYTES:  # 0: up to the end
                yield kind, size
                return
            begin += length
            yield kind, begin
