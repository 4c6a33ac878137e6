"""Recognizes video files by their first bytes, whatever their names."""

import stat
from pathlib import Path

HEAD_BYTES = 1024
PACKET_SIZES = (188, 192)  # of transport streams, on tape and on disc
# Suffixes of files in containers of video that hold sound or still images.
NOT_VIDEO = frozenset(
    {".aac", ".aif", ".aiff", ".heic", ".avif", ".m4a", ".m4b", ".mka", ".mp3", ".oga", ".wav"}
    | {".wma", ".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
)
# Offset and bytes.
SIGNATURES = (
    (4, b"ftyp"),  # MP4, MOV
    (4, b"moov"),
    (4, b"mdat"),
    (4, b"wide"),
    (8, b"AVI "),
    (8, b"CDXA"),  # Video CD
    (0, b"\x1a\x45\xdf\xa3"),  # Matroska, WebM
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # ASF, WMV
    (0, b"FLV\x01"),
    (0, b"\x00\x00\x01\xba"),  # MPEG program stream
    (0, b"\x00\x00\x01\xb3"),  # MPEG video
    (0, b"\x00\x00\x00\x01\x67"),  # H.264
    (0, b"\x00\x00\x00\x01\x40\x01"),  # H.265
    (0, b"\x1f\x07\x00"),  # DV
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01"),  # MXF
    (29, b"theora"),  # Ogg
)


def looks_like_video(file: Path) -> bool:
    """Whether a file begins as a video does; it need not be readable."""
    if file.suffix.lower() in NOT_VIDEO:
        return False
    try:
        if not stat.S_ISREG(file.stat().st_mode):  # opening a pipe waits for its writer
            return False
        with file.open("rb") as opened:
            head = opened.read(HEAD_BYTES)
    except OSError:
        return False
    return any(head[at:].startswith(value) for at, value in SIGNATURES) or _is_transport(head)


def _is_transport(head: bytes) -> bool:
    return any(
        len(head) > 4 * size and all(head[at] == 0x47 for at in range(size - 188, 5 * size, size))
        for size in PACKET_SIZES
    )
