"""Folders of numbered images, one per frame: `img_00001.jpg`, `000016.png`."""

from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64
from PIL import Image

from video.numbered_images import NUMBERED
from video.recording import UnreadableVideo

CACHED_LISTINGS = 16  # per process; each has some hundred kilobytes


class FolderListing(NamedTuple):
    """The images of a folder in ascending order of their numbers."""

    numbers: Int64[np.ndarray, " n"]
    names: np.ndarray


def list_images(folder: str) -> FolderListing:
    """Raises UnreadableVideo where the order is ambiguous: equal numbers, or two prefixes."""
    try:
        names = [file.name for file in Path(folder).iterdir()]
    except OSError as error:
        raise UnreadableVideo(folder, f"cannot be listed ({error.strerror})") from None
    matches = [match for name in names if name[0] != "." and (match := NUMBERED.match(name))]
    prefixes = sorted({match[1] for match in matches})
    if len(prefixes) > 1:
        raise UnreadableVideo(
            folder, f"mixes images named {prefixes[0]}0 and {prefixes[1]}0; split the folder"
        )
    numbered = sorted((int(match[2]), match[0]) for match in matches)
    for (one, name), (other, second) in pairwise(numbered):
        if one == other:
            raise UnreadableVideo(folder, f"{name} and {second} have the same number; remove one")
    numbers = np.array([number for number, _ in numbered], np.int64)
    return FolderListing(numbers, np.array([name for _, name in numbered]))


cached_listing = lru_cache(CACHED_LISTINGS)(list_images)


def image_size(folder: str, name: str) -> tuple[int, int]:
    """Height and width."""
    try:
        with Image.open(Path(folder, name), formats=["JPEG", "PNG"]) as image:
            return image.height, image.width
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableVideo(folder, f"{name} cannot be opened ({error})") from None
