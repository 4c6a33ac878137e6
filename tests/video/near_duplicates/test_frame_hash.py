"""Hashes of frames: mirrored frames, brightness, scale, and frames that show nothing."""

import numpy as np
import pytest
from PIL import Image

from video.near_duplicates.frame_hash import BITS, MIRRORS, hash_frame, signs_of


def scene(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((96, 72), Image.Resampling.BICUBIC))


def signs(image: np.ndarray) -> np.ndarray:
    hashed = hash_frame(np.ascontiguousarray(image))
    assert hashed is not None
    return signs_of(np.frombuffer(hashed, np.uint8)[None])[0]


def different(one: np.ndarray, other: np.ndarray) -> int:
    return int((one != other).sum())


@pytest.mark.parametrize(
    ("mirrored", "rows", "columns"),
    [
        ("", 1, 1),
        ("mirrored left to right", 1, -1),
        ("upside down", -1, 1),
        ("rotated by 180 degrees", -1, -1),
    ],
)
def test_a_mirrored_frame_changes_known_bits(mirrored: str, rows: int, columns: int) -> None:
    image = scene(0)
    assert different(signs(image[::rows, ::columns]), signs(image) * MIRRORS[mirrored]) == 0
    others = [other for other in MIRRORS if other != mirrored]
    for other in others:
        assert different(signs(image[::rows, ::columns]), signs(image) * MIRRORS[other]) > 10


def test_size_and_brightness_change_few_bits_and_another_scene_half() -> None:
    image = scene(0)
    small = np.asarray(Image.fromarray(image).resize((40, 72), Image.Resampling.BILINEAR))
    dark = (image * 0.5 + 10).astype(np.uint8)
    assert different(signs(small), signs(image)) <= 4
    assert different(signs(dark), signs(image)) <= 2
    differences = [different(signs(scene(n)), signs(image)) for n in range(1, 60)]
    assert abs(np.mean(differences) - BITS / 2) < 2


@pytest.mark.parametrize("level", [0, 16, 128, 255])
def test_a_black_or_constant_frame_shows_nothing(level: int) -> None:
    noise = np.random.default_rng(0).integers(-1, 2, (72, 96, 3))
    assert hash_frame((np.full((72, 96, 3), level) + noise).clip(0, 255).astype(np.uint8)) is None
