"""Augmentation of uint8 clips in a loader worker; all frames of a clip share the random draws."""

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import torch
from einops import rearrange
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor

from finetune.augment.config import ClipAugmentation
from video.multiscale_crop import Box, apply_crop

TRIES = 10  # to draw a crop that fits; then it is the largest central crop


def draw_resized_crop(
    augmentation: ClipAugmentation, height: int, width: int, rng: np.random.Generator
) -> Box:
    """A crop of random area and aspect ratio (Szegedy et al., CVPR 2015, section 6).

    Areas are uniform, ratios log-uniform, and crops that do not fit are drawn again, with the
    distribution of torchvision's RandomResizedCrop. Ratios are those of the crop's pixels: an input
    twice as wide as high needs ratios twice as large.
    """
    low, high = augmentation.ratio
    areas = rng.uniform(*augmentation.scale, TRIES) * height * width
    ratios = np.exp(rng.uniform(math.log(low), math.log(high), TRIES))
    heights, widths = np.rint(np.sqrt(areas / ratios)), np.rint(np.sqrt(areas * ratios))
    inside = (heights >= 1) & (heights <= height) & (widths >= 1) & (widths <= width)
    if inside.any():
        first = int(inside.argmax())
        box_height, box_width = int(heights[first]), int(widths[first])
        top, left = rng.integers([height - box_height + 1, width - box_width + 1]).tolist()
        return Box(top, left, box_height, box_width)
    ratio = min(max(width / height, low), high)
    box_height = max(min(round(width / ratio), height), 1)
    box_width = max(min(round(height * ratio), width), 1)
    return Box((height - box_height) // 2, (width - box_width) // 2, box_height, box_width)


def decoded_size(
    augmentation: ClipAugmentation, height: int, width: int, rows: int, columns: int
) -> tuple[int, int]:
    """The height and width of decoded frames: a crop of mean area has as many pixels as the input.

    The frame is at least as large as the input, unless the recording is smaller: then its own size
    is used. Crops below the mean area are enlarged.
    """
    typical = math.sqrt(rows * columns / (sum(augmentation.scale) / 2 * height * width))
    factor = min(max(typical, rows / height, columns / width), 1.0)
    return max(round(height * factor), 1), max(round(width * factor), 1)


def augment_clip(
    frames: UInt8[Tensor, "t h w c"],
    augmentation: ClipAugmentation,
    rows: int,
    columns: int,
    rng: np.random.Generator,
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> UInt8[Tensor, "t rows columns c"]:
    """Random crop, flip, RandAugment and random erasing of RGB frames, in this order.

    `mean` and `std`: normalisation of the input, for pixels in 0..1. RandAugment fills uncovered
    areas with the mean, and the noise in an erased box is standard normal after normalisation. The
    global random states of Python, numpy and torch are unchanged afterwards.
    """
    height, width = frames.shape[1:3]
    box = draw_resized_crop(augmentation, height, width, rng)
    flipped = bool(augmentation.flip and rng.random() < 0.5)
    clip = apply_crop(frames, box, rows, columns, flipped).contiguous()
    if augmentation.rand_augment is not None:
        clip = rand_augment(clip, augmentation.rand_augment, draw_seed(rng), mean)
    if rng.random() < augmentation.random_erasing:
        clip = erase_box(clip, draw_seed(rng), mean, std)
    return clip


def rand_augment(
    clip: UInt8[Tensor, "t h w 3"], notation: str, seed: int, mean: tuple[float, ...]
) -> UInt8[Tensor, "t h w 3"]:
    """timm's RandAugment (Cubuk et al., NeurIPS 2020), with the same draws for every frame.

    Operations that depend on image statistics, such as Equalize, use those of each frame.
    """
    transform = _rand_augment_transform(notation, mean)
    augmented = np.empty(clip.shape, dtype=np.uint8)
    for index, frame in enumerate(clip.numpy()):
        with seeded_globals(seed):
            augmented[index] = np.asarray(transform(Image.fromarray(frame)))
    return torch.from_numpy(augmented)


@lru_cache(maxsize=8)
def _rand_augment_transform(
    notation: str, mean: tuple[float, ...]
) -> Callable[[Image.Image], Image.Image]:
    from timm.data.auto_augment import rand_augment_transform  # importing it takes seconds

    fill = tuple(min(255, round(255 * value)) for value in mean)
    transform = rand_augment_transform(notation, {"img_mean": fill})
    for operation in transform.ops:
        if operation.name.startswith("Posterize"):
            operation.aug_fn = _posterize
    return transform


def _posterize(image: Image.Image, bits_to_keep: int, **_: object) -> Image.Image:
    """Black for 0 bits, which timm uses at full magnitude and newer Pillow versions refuse."""
    if bits_to_keep < 1:
        return Image.new(image.mode, image.size)
    return ImageOps.posterize(image, min(bits_to_keep, 8))


def erase_box(
    clip: UInt8[Tensor, "t h w c"], seed: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> UInt8[Tensor, "t h w c"]:
    """A copy with noise in one box of all frames, by timm's RandomErasing (Zhong et al., 2020).

    The noise differs between frames and is clamped to 0..255. If ten boxes do not fit the frame,
    nothing is erased.
    """
    from timm.data.random_erasing import RandomErasing  # importing it takes seconds

    t, h, w, c = clip.shape
    canvas = torch.full((t * c, h, w), torch.nan)  # frames as channels: they get one box
    with seeded_globals(seed):
        RandomErasing(probability=1.0, mode="pixel", device="cpu")(canvas)
    erased = ~canvas[0].isnan()
    rows, columns = erased.any(1), erased.any(0)
    noise = rearrange(canvas[:, rows][:, :, columns], "(t c) h w -> t h w c", c=c)
    pixels = (noise * torch.tensor(std) + torch.tensor(mean)) * 255
    result = clip.clone()
    result[:, erased] = pixels.round().clamp(0, 255).byte().flatten(1, 2)
    return result


def draw_seed(rng: np.random.Generator) -> int:
    """A seed for `seeded_globals`."""
    return int(rng.integers(2**32))


@contextmanager
def seeded_globals(seed: int) -> Iterator[None]:
    """Seeds the global generators of Python, numpy and torch's CPU, which timm uses, and restores
    their states afterwards."""
    python, arrays, tensors = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        random.seed(seed)
        np.random.seed(seed)
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the devices too
        yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)
        torch.set_rng_state(tensors)
