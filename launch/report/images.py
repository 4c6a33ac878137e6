"""The pictures of a run folder, as they are embedded into a page."""

import base64
import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from launch.report.tolerant_read import Tell

MOST_BYTES = 2**23  # of a picture that is embedded as it is
MOST_PIXELS = 40_000_000  # as well
LONGEST = 2000  # pixels of a side, of what is made smaller
MOST_PICTURES = 100
MOST_IN_ALL = 2**25  # bytes
NOT_HERE = ("checkpoints", "tensorboard")
FIRST = "reconstruction.png"
DAMAGED = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


class Picture(NamedTuple):
    """A PNG file."""

    name: str  # path in the run folder
    kind: str  # image/png, or image/jpeg where it was made smaller
    content: str  # base64
    note: str  # what was done to it


def read_pictures(folder: Path, tell: Tell) -> tuple[Picture, ...]:
    """Those of the folder and of the folders in it that are no runs; the reconstruction first."""
    pictures: list[Picture] = []
    left, room = 0, MOST_IN_ALL
    try:
        files = _files(folder)
    except OSError as error:
        tell(f"pictures cannot be looked for ({error.strerror})")
        return ()
    for file in files:
        name = str(file.relative_to(folder))
        if len(pictures) == MOST_PICTURES or room <= 0:
            left += 1
            continue
        try:
            content, note = _embedded(file)
        except DAMAGED as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            tell(f"{name} cannot be shown ({why}); it may be being written, or damaged")
            continue
        room -= len(content)
        kind = "image/jpeg" if note else "image/png"
        pictures.append(Picture(name, kind, base64.b64encode(content).decode("ascii"), note))
    if left:
        tell(f"{left:,} more pictures lie in the folder and are not shown")
    return tuple(pictures)


def _files(folder: Path) -> list[Path]:
    inner = [
        path
        for path in folder.iterdir()
        if path.is_dir() and path.name not in NOT_HERE and not (path / "config.yaml").exists()
    ]
    found = [file for place in (folder, *sorted(inner)) for file in sorted(place.glob("*.png"))]
    files = [file for file in found if file.is_file()]
    return sorted(files, key=lambda file: file != folder / FIRST)


def _embedded(file: Path) -> tuple[bytes, str]:
    """The file's bytes, or those of a smaller picture, and what is to be said of it."""
    with Image.open(file, formats=["PNG"]) as image:
        pixels = image.width * image.height
        size = file.stat().st_size
        if size <= MOST_BYTES and pixels <= MOST_PIXELS:
            image.verify()
            return file.read_bytes(), ""
        was = f"{image.width}x{image.height}, {size / 2**20:.0f} MiB"
        smaller = image.convert("RGB")
    smaller.thumbnail((LONGEST, LONGEST))
    buffer = io.BytesIO()
    smaller.save(buffer, "JPEG", quality=90)
    return buffer.getvalue(), f"made smaller for this page: it is {was}"
