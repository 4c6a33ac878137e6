"""The images of a run folder, embedded into a page."""

import base64
import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from launch.report.tolerant_read import Warn

MAX_BYTES = 2**23  # of an image that is embedded unchanged
MAX_PIXELS = 40_000_000  # likewise
MAX_SIDE = 2000  # pixels, of a reduced image
MAX_IMAGES = 100
MAX_TOTAL_BYTES = 2**25
EXCLUDED_FOLDERS = ("checkpoints", "tensorboard")
FIRST = "reconstruction.png"
IMAGE_ERRORS = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


class EmbeddedImage(NamedTuple):
    """A PNG file of the run folder."""

    name: str  # path in the run folder
    media_type: str  # image/png, or image/jpeg if it was reduced
    content: str  # base64
    note: str  # how it was changed


def read_images(folder: Path, warn: Warn) -> tuple[EmbeddedImage, ...]:
    """Images in the folder and its subfolders that are not runs; the reconstruction comes first."""
    images: list[EmbeddedImage] = []
    omitted, bytes_left = 0, MAX_TOTAL_BYTES
    try:
        files = _find_files(folder)
    except OSError as error:
        warn(f"images cannot be listed ({error.strerror})")
        return ()
    for file in files:
        name = str(file.relative_to(folder))
        if len(images) == MAX_IMAGES or bytes_left <= 0:
            omitted += 1
            continue
        try:
            content, note = _read_or_reduce(file)
        except IMAGE_ERRORS as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            warn(f"{name} cannot be shown ({reason}); it is damaged, or not yet complete")
            continue
        bytes_left -= len(content)
        media_type = "image/jpeg" if note else "image/png"
        encoded = base64.b64encode(content).decode("ascii")
        images.append(EmbeddedImage(name, media_type, encoded, note))
    if omitted:
        warn(f"{omitted:,} more images of the folder are not shown")
    return tuple(images)


def _find_files(folder: Path) -> list[Path]:
    subfolders = [
        path
        for path in folder.iterdir()
        if path.is_dir()
        and path.name not in EXCLUDED_FOLDERS
        and not (path / "config.yaml").exists()
    ]
    found = [file for each in (folder, *sorted(subfolders)) for file in sorted(each.glob("*.png"))]
    files = [file for file in found if file.is_file()]
    return sorted(files, key=lambda file: file != folder / FIRST)


def _read_or_reduce(file: Path) -> tuple[bytes, str]:
    """The bytes of the file, or of a smaller image, and a note that says so."""
    with Image.open(file, formats=["PNG"]) as image:
        pixels = image.width * image.height
        size = file.stat().st_size
        if size <= MAX_BYTES and pixels <= MAX_PIXELS:
            image.verify()
            return file.read_bytes(), ""
        original = f"{image.width}x{image.height}, {size / 2**20:.0f} MiB"
        smaller = image.convert("RGB")
    smaller.thumbnail((MAX_SIDE, MAX_SIDE))
    buffer = io.BytesIO()
    smaller.save(buffer, "JPEG", quality=90)
    return buffer.getvalue(), f"reduced for this page; original: {original}"
