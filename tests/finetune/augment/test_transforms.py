"""Augmentation of clips, compared with torchvision's crops and timm's transforms of each frame."""

import importlib.util
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange
from PIL import Image, ImageOps
from timm.data.auto_augment import rand_augment_transform
from timm.data.random_erasing import RandomErasing
from torchvision.transforms import RandomResizedCrop

from finetune.augment.config import ClipAugmentation
from finetune.augment.transforms import (
    augment_clip,
    decoded_size,
    draw_resized_crop,
    erase_box,
    rand_augment,
    seeded_globals,
)
from video.multiscale_crop import Box, apply_crop

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WORD = "rand-m7-n4-mstd0.5-inc1"
ALL = ClipAugmentation(rand_augment=WORD, random_erasing=1.0)
ROOT = Path(__file__).parents[3]
SHAPES = [(1, 1), (1, 7), (3, 2), (5, 400), (97, 61), (240, 427)]


def clip(t: int = 3, h: int = 40, w: int = 56, seed: int = 0) -> torch.Tensor:
    coarse = np.random.default_rng(seed).integers(0, 256, (t, 6, 8, 3), dtype=np.uint8)
    return apply_crop(torch.from_numpy(coarse), Box(0, 0, 6, 8), h, w, False).contiguous()


def varied(frames: torch.Tensor, seed: int, augmentation: ClipAugmentation = ALL) -> torch.Tensor:
    return augment_clip(frames, augmentation, 32, 24, np.random.default_rng(seed), MEAN, STD)


@pytest.mark.parametrize(("height", "width"), SHAPES)
@pytest.mark.parametrize("area", [(0.08, 1.0), (0.5, 0.6)])
def test_a_crop_is_inside_the_frame_and_its_bounds(
    height: int, width: int, area: tuple[float, float]
) -> None:
    augmentation, rng = ClipAugmentation(scale=area), np.random.default_rng(0)
    low, high = augmentation.ratio
    for _ in range(500):
        top, left, h, w = draw_resized_crop(augmentation, height, width, rng)
        assert 0 <= top <= top + h <= height and 0 <= left <= left + w <= width
        # before rounding, sides may have been half a pixel longer or shorter
        assert (w - 0.5) / (h + 0.5) <= high and (w + 0.5) / (h - 0.5) >= low
        largest = h == height or w == width
        assert (h - 0.5) * (w - 0.5) <= area[1] * height * width or largest
        assert (h + 0.5) * (w + 0.5) >= area[0] * height * width or largest


@pytest.mark.parametrize(("height", "width"), [(240, 427), (300, 300), (150, 90), (40, 400)])
def test_crops_are_distributed_as_torchvisions(height: int, width: int) -> None:
    augmentation, image = ClipAugmentation(), torch.empty(3, height, width)
    area, ratio = list(augmentation.scale), list(augmentation.ratio)

    def statistics(draw: Callable[[], tuple[int, int, int, int]]) -> np.ndarray:
        top, left, h, w = np.array([draw() for _ in range(5000)]).T.astype(float)
        centre, middle = (top + h / 2) / height, (left + w / 2) / width
        of_each = np.stack([h * w / (height * width), np.log(w / h), centre, middle])
        return np.concatenate([of_each.mean(1), of_each.std(1)])

    rng = np.random.default_rng(0)
    with seeded_globals(0):
        expected = statistics(lambda: RandomResizedCrop.get_params(image, area, ratio))
    found = statistics(lambda: draw_resized_crop(augmentation, height, width, rng))
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_if_no_crop_fits_it_is_the_largest_central_one() -> None:
    rng = np.random.default_rng(0)
    whole = ClipAugmentation(scale=(1.0, 1.0))
    assert draw_resized_crop(whole, 90, 300, rng) == Box(0, 90, 90, 120)
    assert draw_resized_crop(whole, 400, 90, rng) == Box(140, 0, 120, 90)
    assert draw_resized_crop(ClipAugmentation(ratio=(3.0, 3.0)), 9, 1, rng) == Box(4, 0, 1, 1)


@pytest.mark.parametrize(
    ("area", "size", "expected"),
    [
        ((0.08, 1.0), (1080, 1920), (229, 406)),
        ((0.7, 1.0), (1080, 1920), (224, 398)),  # the frame covers the input
        ((0.08, 1.0), (100, 80), (100, 80)),
    ],
)
def test_a_crop_of_mean_area_is_decoded_at_the_inputs_resolution(
    area: tuple[float, float], size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert decoded_size(ClipAugmentation(scale=area), *size, 224, 224) == expected
    if size > (224, 224):
        assert sum(area) / 2 * expected[0] * expected[1] >= 0.99 * 224 * 224


def test_a_clip_is_a_function_of_its_randomness() -> None:
    frames = clip()
    assert varied(frames, 0).shape == (3, 32, 24, 3)
    assert torch.equal(varied(frames, 0), varied(frames, 0))
    assert len({varied(frames, seed).numpy().tobytes() for seed in range(20)}) == 20
    assert torch.equal(frames, clip())  # the input is unchanged


def test_equal_frames_stay_equal() -> None:
    frames = clip(1).expand(4, -1, -1, -1)
    without_noise = ClipAugmentation(rand_augment=WORD)
    for seed in range(40):
        after = varied(frames, seed, without_noise)
        assert (after == after[:1]).all()


def test_plain_augmentation_is_a_crop_and_a_flip_of_half_the_clips() -> None:
    plain, frames, mirrored = ClipAugmentation(), clip(), 0
    for seed in range(200):
        found = varied(frames, seed, plain)
        box = draw_resized_crop(plain, 40, 56, np.random.default_rng(seed))
        expected = apply_crop(frames, box, 32, 24, False)
        mirrored += torch.equal(found, expected.flip(2))
        assert torch.equal(found, expected) or torch.equal(found, expected.flip(2))
        unmirrored = varied(frames, seed, ClipAugmentation(flip=False))
        assert torch.equal(unmirrored, expected)
    assert 70 < mirrored < 130


def posterized(image: Image.Image, bits: int) -> Image.Image:
    """As in Pillow, but also for 0 bits, which its newer releases refuse."""
    return image.point([value & ~(2 ** (8 - bits) - 1) for value in range(256)] * 3)


@pytest.mark.parametrize(
    "word", [WORD, "rand-m9-n9-mstd101-p1", "rand-t3a", "rand-m10-n12-inc1-tweights"]
)
def test_rand_augment_is_timms(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageOps, "posterize", posterized)
    frames = clip()
    transform = rand_augment_transform(word, {"img_mean": (124, 116, 104)})
    for seed in range(25):
        found = rand_augment(frames, word, seed, MEAN)
        for number, frame in enumerate(frames.numpy()):
            with seeded_globals(0):
                random.seed(seed)
                np.random.seed(seed)
                expected = transform(Image.fromarray(frame))
            assert np.array_equal(found[number].numpy(), np.asarray(expected))


def test_erasing_is_timms_on_normalised_pixels_with_frames_as_channels() -> None:
    frames, mean, std = clip(), torch.tensor(MEAN), torch.tensor(STD)
    for seed in range(20):
        images = rearrange((frames / 255 - mean) / std, "t h w c -> (t c) h w").contiguous()
        with seeded_globals(0):
            random.seed(seed)
            torch.manual_seed(seed)
            RandomErasing(probability=1.0, mode="pixel", device="cpu")(images)
        back = rearrange(images, "(t c) h w -> t h w c", c=3) * std + mean
        expected = (back * 255).clamp(0, 255).round().byte()
        assert torch.equal(erase_box(frames, seed, MEAN, STD), expected)


def test_one_box_is_erased_from_all_frames_with_noise_of_its_own() -> None:
    frames = torch.full((4, 30, 50, 3), 7, dtype=torch.uint8)
    for seed in range(10):
        erased = erase_box(frames, seed, MEAN, STD)
        changed = (erased != frames).any(3)
        boxes = []
        for each in changed:
            rows, columns = each.any(1).nonzero().flatten(), each.any(0).nonzero().flatten()
            boxes.append((int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])))
        assert len(set(boxes)) == 1
        top, bottom, left, right = boxes[0]
        area = (bottom - top + 1) * (right - left + 1)
        assert 0.01 < area / (30 * 50) < 0.36
        assert changed[0].sum() > 0.98 * area
        assert not torch.equal(erased[0], erased[1])


def test_erasing_has_its_probability_and_leaves_a_tiny_frame_unchanged() -> None:
    often = ClipAugmentation(scale=(1, 1), ratio=(1, 1), flip=False, random_erasing=0.25)
    frames = clip(1, 16, 16)
    drawn = [
        augment_clip(frames, often, 16, 16, np.random.default_rng(seed), MEAN, STD)
        for seed in range(400)
    ]
    assert 70 < sum(not torch.equal(each, frames) for each in drawn) < 130
    dot = clip(2, 1, 1)
    assert torch.equal(erase_box(dot, 0, MEAN, STD), dot)


def test_global_random_states_are_unchanged() -> None:
    def states() -> tuple[object, ...]:
        name, keys, *rest = np.random.get_state()
        return random.getstate(), name, keys.tobytes(), *rest, torch.get_rng_state().tolist()

    # without the import hook, whose type checker draws random numbers itself
    spec = importlib.util.spec_from_file_location(
        "unchecked", ROOT / "finetune/augment/transforms.py"
    )
    unchecked = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(unchecked)
    frames = clip()
    random.gauss()  # caches a second number, which is part of the state
    before = states()
    unchecked.augment_clip(frames, ALL, 32, 24, np.random.default_rng(0), MEAN, STD)
    assert states() == before
    with pytest.raises(RuntimeError), seeded_globals(0):
        assert states() != before
        raise RuntimeError
    assert states() == before
