"""Folders of numbered pictures, one for each frame: `img_00001.jpg`, `000016.png`."""

from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64
from PIL import Image

from video.discover import NUMBERED
from video.recording import UnreadableVideo

LISTINGS = 16  # of folders, kept by a process: some hundred kilobytes each


class FolderListing(NamedTuple):
    """The pictures of a folder, ascending by number."""

    numbers: Int64[np.ndarray, " n"]
    names: np.ndarray


def list_images(folder: str) -> FolderListing:
    """Raises UnreadableVideo where names do not tell an order: two numbers alike, two prefixes."""
    try:
        names = [file.name for file in Path(folder).iterdir()]
    except OSError as error:
        raise UnreadableVideo(folder, f"cannot be listed ({error.strerror})") from None
    matches = [match for name in names if name[0] != "." and (match := NUMBERED.match(name))]
    prefixes = sorted({match[1] for match in matches})
    if len(prefixes) > 1:
        raise UnreadableVideo(
            folder, f"mixes pictures called {prefixes[0]}0 and {prefixes[1]}0; split the folder"
        )
    numbered = sorted((int(match[2]), match[0]) for match in matches)
    for (one, name), (other, second) in pairwise(numbered):
        if one == other:
            raise UnreadableVideo(folder, f"{name} and {second} have one number; remove one")
    numbers = np.array([number for number, _ in numbered], np.int64)
    return FolderListing(numbers, np.array([name for _, name in numbered]))


cached_listing = lru_cache(LISTINGS)(list_images)


def image_size(folder: str, name: str) -> tuple[int, int]:
    """Height and width."""
    try:
        with Image.open(Path(folder, name), formats=["JPEG", "PNG"]) as picture:
            return picture.height, picture.width
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableVideo(folder, f"{name} cannot be opened ({error})") from None
