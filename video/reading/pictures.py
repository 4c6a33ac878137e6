"""Frames at given times from recordings that are kept as single pictures, JPEG or PNG."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg

from video.reading import pack
from video.reading.container import EARLY
from video.reading.frame_folder import kept_listing
from video.recording import Recording, UnreadableVideo

END_OF_JPEG = b"\xff\xd9"


def read_pack(
    recording: Recording, times: Sequence[float], rows: int, columns: int
) -> UInt8[np.ndarray, "t h w c"]:
    """See `video.reading.read_frames`."""
    early = min(EARLY, 0.5 / recording.fps)
    clip = np.empty((len(times), rows, columns, 3), np.uint8)
    with pack.opened(recording.path) as prepared:
        before = number = -1
        for place, time in enumerate(times):
            number = prepared.last_until(time + early, max(number, 0))
            if number < 0 or time > recording.seconds:
                raise UnreadableVideo(recording.path, f"has no frame at {time:.2f} s")
            if number == before:
                clip[place] = clip[place - 1]
            else:
                picture = prepared.picture(number)
                clip[place] = _decode_jpeg(picture, rows, columns, recording.path)
            before = number
    return clip


def read_folder(
    recording: Recording, times: Sequence[float], rows: int, columns: int
) -> UInt8[np.ndarray, "t h w c"]:
    """See `video.reading.read_frames`; a picture is shown until the next one comes."""
    listing = kept_listing(recording.path)
    early = min(EARLY, 0.5 / recording.fps)
    wanted = (np.asarray(times) + early + recording.first) * recording.fps
    places = (np.searchsorted(listing.numbers, wanted, side="right") - 1).tolist()
    if places[0] < 0 or times[-1] > recording.seconds:
        at = times[0] if places[0] < 0 else times[-1]
        raise UnreadableVideo(recording.path, f"has no frame at {at:.2f} s")
    clip = np.empty((len(times), rows, columns, 3), np.uint8)
    for n, place in enumerate(places):
        if n and place == places[n - 1]:
            clip[n] = clip[n - 1]
        else:
            clip[n] = _read_picture(recording.path, str(listing.names[place]), rows, columns)
    return clip


def _read_picture(folder: str, name: str, rows: int, columns: int) -> UInt8[np.ndarray, "y x 3"]:
    try:
        data = Path(folder, name).read_bytes()
    except OSError as error:
        raise UnreadableVideo(folder, f"{name} cannot be read ({error.strerror})") from None
    if name.lower().endswith("png"):
        return _decode_png(data, rows, columns, f"{folder}/{name}")
    if END_OF_JPEG not in data[-64:]:  # the decoder would make the missing part up
        raise UnreadableVideo(folder, f"{name} is cut off")
    return _decode_jpeg(data, rows, columns, f"{folder}/{name}")


def _decode_jpeg(data: bytes, rows: int, columns: int, path: str) -> UInt8[np.ndarray, "y x 3"]:
    try:
        buffer = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        picture = decode_jpeg(buffer, ImageReadMode.RGB)
    except (RuntimeError, ValueError) as error:
        raise UnreadableVideo(path, f"is no sound JPEG ({str(error).splitlines()[0]})") from None
    if picture.shape[1:] != (rows, columns):
        picture = F.interpolate(picture[None], (rows, columns), mode="bilinear", antialias=True)[0]
    return picture.permute(1, 2, 0).numpy()


def _decode_png(data: bytes, rows: int, columns: int, path: str) -> UInt8[np.ndarray, "y x 3"]:
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as opened:
            picture = opened.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableVideo(path, f"is no sound PNG ({error})") from None
    if picture.size != (columns, rows):
        picture = picture.resize((columns, rows), Image.Resampling.BILINEAR)
    return np.asarray(picture)
