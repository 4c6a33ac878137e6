"""Saves the contact sheet and the film of a clip."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from video.atomic_write import atomic_writer
from video.visualize.film import write_film
from video.visualize.strips import Strip


def save_clip(
    name: Path,
    sheet: UInt8[np.ndarray, "y x 3"],
    strips: Sequence[Strip],
    times: Sequence[float],
    labels: Sequence[str],
) -> tuple[Path, Path]:
    """Writes NAME.png and NAME.mp4, each complete or absent, and replaces earlier ones.

    Raises OSError.
    """
    image, film = (name.with_name(name.name + suffix) for suffix in (".png", ".mp4"))
    name.parent.mkdir(parents=True, exist_ok=True)
    with atomic_writer(image) as draft:
        Image.fromarray(sheet).save(draft, format="PNG")
    write_film(film, strips, times, labels)
    return image, film
