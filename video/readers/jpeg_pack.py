"""Prepared recordings: JPEG images in one file, with an index by time.

Layout, little-endian: all images; then the columns of the index, with an entry for each image:
time (float64, seconds), begin (uint64, and one more entry for the end of the last image), checksum
(uint32, CRC-32 of the image's bytes); then its manifest row in JSON; then the trailer. A read costs
the same in a long recording as in a short one, and checks every offset.
"""

import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from video.atomic_write import atomic_writer
from video.recording import UnreadableVideo

TRAILER = struct.Struct("<QQI8s")  # begin of the index, images, bytes of the manifest row, magic
MAGIC = b"framesv1"


class JpegPack(NamedTuple):
    """An open prepared recording."""

    path: str
    descriptor: int
    begin: int  # of the index
    images: int
    description_bytes: int

    def description(self) -> bytes:
        """The manifest row, in JSON."""
        begin = self.begin + 20 * self.images + 8
        return os.pread(self.descriptor, self.description_bytes, begin)

    def times(self, first: int, until: int) -> np.ndarray:
        """Times in seconds of the images `first` (inclusive) to `until` (exclusive)."""
        return self._column("<f8", self.begin, first, until)

    def read_images(self, numbers: Sequence[int]) -> dict[int, bytes]:
        """JPEG bytes by ascending image number. Raises UnreadableVideo where bytes were altered."""
        first, until = numbers[0], numbers[-1] + 1
        offsets = self.begin + 8 * self.images
        begins = self._column("<u8", offsets, first, until + 1).tolist()
        checksums = offsets + 8 * (self.images + 1)
        expected = self._column("<u4", checksums, first, until).tolist()
        found = {}
        for number in numbers:
            begin, end = begins[number - first], begins[number - first + 1]
            is_valid = begin <= end <= self.begin
            data = os.pread(self.descriptor, end - begin, begin) if is_valid else b""
            if not is_valid or zlib.crc32(data) != expected[number - first]:
                raise UnreadableVideo(self.path, f"image {number} is damaged; prepare it again")
            found[number] = data
        return found

    def indices_at(self, times: Sequence[float]) -> list[int]:
        """For ascending times, the number of the last image not after each; -1 if there is none."""
        numbers = range(self.images)  # bisect reads only the times that it compares
        first = bisect_right(numbers, times[0], key=self._time) - 1
        last = bisect_right(numbers, times[-1], lo=max(first, 0), key=self._time) - 1
        stored = self.times(max(first, 0), last + 1)
        shown = np.searchsorted(stored, times, side="right") - 1 + max(first, 0)
        return [int(number) for number in shown]

    def _time(self, number: int) -> float:
        return float(self.times(number, number + 1)[0])

    def _column(self, kind: str, begin: int, first: int, until: int) -> np.ndarray:
        dtype = np.dtype(kind)
        data = os.pread(
            self.descriptor, (until - first) * dtype.itemsize, begin + first * dtype.itemsize
        )
        if len(data) < (until - first) * dtype.itemsize:
            raise UnreadableVideo(self.path, "is cut off; prepare it again")
        return np.frombuffer(data, dtype)


@contextmanager
def open_pack(path: str) -> Iterator[JpegPack]:
    """Opens a pack; raises UnreadableVideo where the file is invalid or truncated."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise UnreadableVideo(path, f"cannot be read ({error.strerror})") from None
    try:
        yield _parse_trailer(path, descriptor)
    except OSError as error:
        raise UnreadableVideo(path, f"cannot be read ({error.strerror})") from None
    finally:
        os.close(descriptor)


def _parse_trailer(path: str, descriptor: int) -> JpegPack:
    size = os.fstat(descriptor).st_size
    trailer = os.pread(descriptor, TRAILER.size, max(size - TRAILER.size, 0))
    if len(trailer) == TRAILER.size:
        begin, images, description, magic = TRAILER.unpack(trailer)
        is_complete = begin + 20 * images + 8 + description + TRAILER.size == size
        if magic == MAGIC and images and is_complete:
            return JpegPack(path, descriptor, begin, images, description)
    raise UnreadableVideo(path, "is not a prepared recording, or truncated; prepare it again")


def write_pack(
    file: Path, images: Iterable[tuple[float, bytes]], description: Callable[[], bytes]
) -> None:
    """Writes JPEG images with their ascending times. The file is complete and durable, or absent.

    `description` is called after the last image.
    """
    times: list[float] = []
    begins, checksums = [0], []
    with atomic_writer(file) as draft, draft.open("wb") as out:
        for time, data in images:
            out.write(data)
            times.append(time)
            begins.append(begins[-1] + len(data))
            checksums.append(zlib.crc32(data))
        out.write(np.array(times, "<f8").tobytes())
        out.write(np.array(begins, "<u8").tobytes())
        out.write(np.array(checksums, "<u4").tobytes())
        text = description()
        out.write(text + TRAILER.pack(begins[-1], len(times), len(text), MAGIC))
