"""Inflation of image kernels: recorded results, and properties."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from encoder.checkpoint.tensor_recipe import inflate, kernel_to_matrix, matrix_to_kernel
from encoder.patchify import split_tubelets

FIXTURES = Path(__file__).parent / "fixtures"
SEED = {
    name: torch.from_numpy(value)
    for name, value in np.load(FIXTURES / "seeds/public_inflation.npz").items()
}
UPSTREAM = load_file(FIXTURES / "pos/public_pos_inflate.safetensors")


@pytest.mark.parametrize(
    ("flat", "rule", "frames", "expected"),
    [
        (SEED["w2d"], "average", 2, SEED["w3d_average"]),
        (SEED["w2d"], "center", 2, SEED["w3d_center_intended"]),
        (UPSTREAM["w2d"], "average", 2, UPSTREAM["w3d_mean_t2"]),
        (UPSTREAM["w2d"], "average", 4, UPSTREAM["w3d_mean_t4"]),
        (UPSTREAM["w2d"], "center", 2, UPSTREAM["w3d_center_t2"]),
        (UPSTREAM["w2d"], "center", 3, UPSTREAM["w3d_center_t3"]),
        (UPSTREAM["w5_t1"], "average", 2, UPSTREAM["w5_to_t2"]),
    ],
)
def test_a_kernel_is_inflated_as_recorded(
    flat: torch.Tensor, rule: str, frames: int, expected: torch.Tensor
) -> None:
    matrix = inflate(kernel_to_matrix(flat), frames, rule)
    side = flat.shape[-1]
    kernel = matrix_to_kernel(matrix, (frames, side, side))
    torch.testing.assert_close(kernel, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("rule", ["average", "center"])
def test_the_product_is_the_recorded_convolution(rule: str) -> None:
    matrix = inflate(kernel_to_matrix(SEED["w2d"]), 2, rule)
    clip = SEED["x"].permute(0, 2, 3, 4, 1)
    product = split_tubelets(clip, (2, 4, 4)) @ matrix.T
    expected = SEED[f"conv3d_{rule}"].flatten(2).transpose(1, 2)
    torch.testing.assert_close(product, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("rule", ["average", "center"])
def test_a_still_clip_gives_the_features_of_its_image(rule: str) -> None:
    kernel = torch.randn(5, 3, 4, 4)
    picture = torch.randn(1, 3, 8, 8)
    expected = F.conv2d(picture, kernel, stride=4).flatten(2).transpose(1, 2)
    clip = picture[:, :, None].expand(-1, -1, 4, -1, -1).permute(0, 2, 3, 4, 1)
    matrix = inflate(kernel_to_matrix(kernel), 4, rule)
    torch.testing.assert_close(split_tubelets(clip, (4, 4, 4)) @ matrix.T, expected)
