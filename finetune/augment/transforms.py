"""Variations of a clip, one draw for all its frames, on bytes and in a loader worker."""

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

TRIES = 10  # at a crop that fits, then it is the largest in the middle


def draw_resized_crop(
    augmentation: ClipAugmentation, height: int, width: int, rng: np.random.Generator
) -> Box:
    """A crop of random area and proportions (Szegedy et al., CVPR 2015, section 6).

    Areas are uniform, ratios log-uniform, those that do not fit are drawn again; distributed as
    torchvision's RandomResizedCrop. Ratios are of the crop's pixels, whatever the proportions of
    the picture and of the input: an input twice as wide as high wants twice the ratios.
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
    """The size at which frames are decoded: a crop of the mean area has as many pixels as the
    input, and the whole picture covers the input.

    Smaller crops are enlarged. A recording that is smaller is decoded as it is.
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
    """Crop, mirror, RandAugment and erasing, in this order, on red, green and blue.

    `mean` and `std` are the input's normalisation, of pixels in 0..1: what RandAugment moves into
    the picture is the mean, and the noise of an erased box is normal after normalisation. Python's,
    numpy's and torch's global randomness stay as they were.
    """
    height, width = frames.shape[1:3]
    box = draw_resized_crop(augmentation, height, width, rng)
    mirrored = bool(augmentation.flip and rng.random() < 0.5)
    clip = apply_crop(frames, box, rows, columns, mirrored).contiguous()
    if augmentation.rand_augment is not None:
        clip = rand_augment(clip, augmentation.rand_augment, draw_seed(rng), mean)
    if rng.random() < augmentation.random_erasing:
        clip = erase_box(clip, draw_seed(rng), mean, std)
    return clip


def rand_augment(
    clip: UInt8[Tensor, "t h w 3"], word: str, seed: int, mean: tuple[float, ...]
) -> UInt8[Tensor, "t h w 3"]:
    """timm's RandAugment (Cubuk et al., NeurIPS 2020), with the same draws for every frame.

    Operations that look at a picture, such as Equalize, look at each frame by itself.
    """
    transform = _rand_augment_transform(word, mean)
    varied = np.empty(clip.shape, dtype=np.uint8)
    for number, frame in enumerate(clip.numpy()):
        with seeded_globals(seed):
            varied[number] = np.asarray(transform(Image.fromarray(frame)))
    return torch.from_numpy(varied)


@lru_cache(maxsize=8)
def _rand_augment_transform(
    word: str, mean: tuple[float, ...]
) -> Callable[[Image.Image], Image.Image]:
    from timm.data.auto_augment import rand_augment_transform  # takes seconds

    fill = tuple(min(255, round(255 * value)) for value in mean)
    transform = rand_augment_transform(word, {"img_mean": fill})
    for operation in transform.ops:
        if operation.name.startswith("Posterize"):
            operation.aug_fn = _posterize
    return transform


def _posterize(picture: Image.Image, bits_to_keep: int, **_: object) -> Image.Image:
    """Of no bits there is black: timm keeps none at full magnitude, which newer Pillows refuse."""
    if bits_to_keep < 1:
        return Image.new(picture.mode, picture.size)
    return ImageOps.posterize(picture, min(bits_to_keep, 8))


def erase_box(
    clip: UInt8[Tensor, "t h w c"], seed: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> UInt8[Tensor, "t h w c"]:
    """A copy with noise in one box of all frames, by timm's RandomErasing (Zhong et al., 2020).

    The noise is another one in each frame, and clamped to what bytes can hold. Where no box fits
    the picture in ten tries, there is none.
    """
    from timm.data.random_erasing import RandomErasing  # takes seconds

    t, h, w, c = clip.shape
    canvas = torch.full((t * c, h, w), torch.nan)  # frames as channels: they get one box
    with seeded_globals(seed):
        RandomErasing(probability=1.0, mode="pixel", device="cpu")(canvas)
    erased = ~canvas[0].isnan()
    rows, columns = erased.any(1), erased.any(0)
    noise = rearrange(canvas[:, rows][:, :, columns], "(t c) h w -> t h w c", c=c)
    pixels = (noise * torch.tensor(std) + torch.tensor(mean)) * 255
    varied = clip.clone()
    varied[:, erased] = pixels.round().clamp(0, 255).byte().flatten(1, 2)
    return varied


def draw_seed(rng: np.random.Generator) -> int:
    """A seed of `seeded_globals`."""
    return int(rng.integers(2**32))


@contextmanager
def seeded_globals(seed: int) -> Iterator[None]:
    """The global randomness of Python, numpy and torch on the host, which timm draws from, starts
    from a seed, and is afterwards what it was before."""
    python, arrays, tensors = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        random.seed(seed)
        np.random.seed(seed)
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed devices as well
        yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)
        torch.set_rng_state(tensors)
