"""Files that are no checkpoint, known by their first bytes."""

from pathlib import Path

HEAD_BYTES = 512
GIVE = "give a .safetensors or .pth file"
# How a file begins, what it is, and the cure.
KINDS = (
    (b"\x89PNG", "a PNG image", GIVE),
    (b"\xff\xd8\xff", "a JPEG image", GIVE),
    (b"%PDF", "a PDF document", GIVE),
    (b"\x1a\x45\xdf\xa3", "a Matroska video", GIVE),
    (b"RIFF", "an AVI or WAV file", GIVE),
    (b"\x1f\x8b", "a gzip archive", "unpack it and give the file in it"),
    (b"\x93NUMPY", "a numpy array", GIVE),
    (b"\x89HDF", "an HDF5 file", GIVE),
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch its file with git lfs pull"),
    (b"<!DOCTYPE", "a web page", "download the file that the page offers"),
    (b"<html", "a web page", "download the file that the page offers"),
)


def describe_other_file(file: Path) -> str | None:
    """What a file is that cannot be a checkpoint, and the cure; None: it may be one.

    Raises OSError.
    """
    with file.open("rb") as opened:
        head = opened.read(HEAD_BYTES)
    for begins, what, cure in KINDS:
        if head.startswith(begins):
            return f"is {what}; {cure}"
    if head[4:8] == b"ftyp":
        return f"is an MP4 or MOV video; {GIVE}"
    text = head.decode("utf-8", errors="ignore")
    if text and _is_text(text, head):
        return f"is a text file; {GIVE}"
    return None


def _is_text(text: str, head: bytes) -> bool:
    whole = len(text.encode()) >= len(head) - 3  # the last letter may be cut
    return whole and all(letter.isprintable() or letter in "\t\r\n\f" for letter in text)
