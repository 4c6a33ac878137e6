"""What a file is that no decoder takes, and what helps."""

from pathlib import Path

from video.readers import mp4_boxes, riff

LOOKED_AT = 4096  # bytes
CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\f\r\x1b")  # bytes that no text has


def why_undecodable(path: str) -> str:
    """What is wrong with a file of damaged or foreign content, with the cure."""
    if not Path(path).is_file():
        return "copy it again"
    with Path(path).open("rb") as file:
        begin = file.read(LOOKED_AT)
    if _is_text(begin):
        return "is text, not a video; remove it, or copy the video again"
    if mp4_boxes.ends_early(path) or riff.ends_early(path):
        return "is cut: copy it again"
    return "copy it again, or rewrite it with ffmpeg"


def _is_text(begin: bytes) -> bool:
    if CONTROLS & set(begin):
        return False
    try:
        begin.decode()
    except UnicodeDecodeError as error:
        return error.start > LOOKED_AT - 4  # a character of which the end was not read
    return True
