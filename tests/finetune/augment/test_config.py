"""Valid and invalid settings of augmentation and mixup, without heavy imports."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.augment.config import ClipAugmentation, MixupConfig, require_rand_augment
from finetune.augment.transforms import rand_augment
from launch.errors import ConfigError
from launch.recipe import validate

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "notation",
    [
        "rand",
        "rand-m0-n40-p1",
        "rand-inc0-n14-t3aw-p1.0",
        "rand-n15-tweights-mstd1-p1",
        "rand-m999-mmax999-inc1-n40-p1",
        "rand-m999-mmax999-n40-p1",
        "rand-t3a-n40-mstd101",
    ],
)
def test_valid_notations_run_in_timm(notation: str) -> None:
    assert ClipAugmentation(rand_augment=notation).rand_augment == notation
    image = np.random.default_rng(0).integers(0, 256, (1, 30, 40, 3), dtype=np.uint8)
    for seed in range(8):
        rand_augment(torch.from_numpy(image), notation, seed, (0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("notation", "reason"),
    [
        ("", "starts with rand"),
        ("augmix-m5", "starts with rand"),
        ("Rand-m9", "starts with rand"),
        ("rand-q3", "no section 'q3'"),
        ("rand-m7.5", "no section 'm7.5'"),
        ("rand-m", "no section 'm'"),  # timm ignores it
        ("rand-inc", "no section 'inc'"),
        ("rand--m7", "no section ''"),
        ("rand-p1.5", "no section 'p1.5'"),
        ("rand-mmax0", "no section 'mmax0'"),
        ("rand-twords", "no section 'twords'"),
        ("rand-m٣", "no section"),
        ("rand-m7\n", "no section"),
        ("rand-m7-m9", "has both m7 and m9"),
        ("rand-n16-tweights", "draws each of its 15 operations once"),
        ("rand-t3aw-n15", "draws each of its 14 operations once"),
    ],
)
def test_invalid_notations_are_refused_in_one_line(notation: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        require_rand_augment(notation)
    assert "\n" not in str(refused.value)
    with pytest.raises(ConfigError, match=r"^rand_augment: "):
        validate(ClipAugmentation, {"rand_augment": notation})


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("scale", [0.5, 0.2], "swap them"),
        ("scale", [0.0, 1.0], "greater than 0"),
        ("scale", [0.1, 1.1], "less than or equal to 1"),
        ("scale", [float("nan"), 1.0], "finite|greater than 0"),
        ("scale", [0.5], "needs more values than"),
        ("ratio", [1.5, 0.7], "swap them"),
        ("ratio", [1.0, float("inf")], "finite"),
        ("random_erasing", 1.5, "less than or equal to 1"),
        ("flips", True, "no such key; did you mean flip"),
    ],
)
def test_settings_out_of_range_are_refused(field: str, value: object, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as refused:
        validate(ClipAugmentation, {field: value})
    assert str(refused.value).startswith(field) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value"), [("mixup_alpha", -0.1), ("prob", 1.5), ("cutmix_alpha", float("nan"))]
)
def test_mixup_out_of_range_is_refused(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"^{field}: "):
        validate(MixupConfig, {field: value})


def test_the_configuration_imports_nothing_heavy() -> None:
    code = "import sys, finetune.augment.config; print({'torch', 'timm'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n"
