"""Frames at given times from recordings that are stored as single images, JPEG or PNG."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import Image

from video.readers import jpeg_pack
from video.readers.container import timestamp_tolerance
from video.readers.frame_folder import cached_listing
from video.recording import Recording, UnreadableVideo

# Saves a seventh of the time, and costs a fraction of a grey level.
FAST = {"fastdct": True, "fastupsample": True}
MAX_PIXELS = 2**26  # a larger image is not a video frame


def read_pack(
    recording: Recording, times: Sequence[float], rows: int, columns: int
) -> UInt8[np.ndarray, "t h w c"]:
    """See `random_access.read_frames`."""
    clip = np.empty((len(times), rows, columns, 3), np.uint8)
    with jpeg_pack.open_pack(recording.path) as pack:
        numbers = pack.indices_at([time + timestamp_tolerance(recording.fps) for time in times])
        if numbers[0] < 0 or times[-1] > recording.seconds:
            at = times[0] if numbers[0] < 0 else times[-1]
            raise UnreadableVideo(recording.path, f"has no frame at {at:.2f} s")
        images = pack.read_images(sorted(set(numbers)))
        for index, number in enumerate(numbers):
            if index and number == numbers[index - 1]:
                clip[index] = clip[index - 1]
            else:
                _decode_jpeg(images[number], clip[index], recording.path)
    return clip


def read_folder(
    recording: Recording, times: Sequence[float], rows: int, columns: int
) -> UInt8[np.ndarray, "t h w c"]:
    """See `random_access.read_frames`; an image is displayed until the next."""
    listing = cached_listing(recording.path)
    wanted = (
        np.asarray(times) + timestamp_tolerance(recording.fps) + recording.first
    ) * recording.fps
    indices = (np.searchsorted(listing.numbers, wanted, side="right") - 1).tolist()
    if indices[0] < 0 or times[-1] > recording.seconds:
        at = times[0] if indices[0] < 0 else times[-1]
        raise UnreadableVideo(recording.path, f"has no frame at {at:.2f} s")
    clip = np.empty((len(times), rows, columns, 3), np.uint8)
    for n, index in enumerate(indices):
        if n and index == indices[n - 1]:
            clip[n] = clip[n - 1]
        else:
            _read_image(recording.path, str(listing.names[index]), clip[n])
    return clip


def _read_image(folder: str, name: str, into: UInt8[np.ndarray, "y x 3"]) -> None:
    try:
        data = Path(folder, name).read_bytes()
    except OSError as error:
        raise UnreadableVideo(folder, f"{name} cannot be read ({error.strerror})") from None
    decode = _decode_png if name.lower().endswith("png") else _decode_jpeg
    decode(data, into, f"{folder}/{name}")


def _decode_jpeg(data: bytes, into: UInt8[np.ndarray, "y x 3"], path: str) -> None:
    """Writes the pixels, resized to the size of `into`; refuses a truncated JPEG."""
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
        if height * width > MAX_PIXELS:
            raise UnreadableVideo(path, f"is too large for a video frame: {width}x{height}")
        if (height, width) == into.shape[:2]:
            simplejpeg.decode_jpeg(data, "RGB", buffer=into, **FAST)
        else:
            into[:] = _resized(Image.fromarray(simplejpeg.decode_jpeg(data, "RGB", **FAST)), into)
    except ValueError as error:
        raise UnreadableVideo(path, f"is not a valid JPEG ({error})") from None


def _decode_png(data: bytes, into: UInt8[np.ndarray, "y x 3"], path: str) -> None:
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as opened:
            into[:] = _resized(opened.convert("RGB"), into)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableVideo(path, f"is not a valid PNG ({error})") from None


def _resized(image: Image.Image, like: UInt8[np.ndarray, "y x 3"]) -> UInt8[np.ndarray, "y x 3"]:
    rows, columns = like.shape[:2]
    return np.asarray(image.resize((columns, rows), Image.Resampling.BILINEAR))
