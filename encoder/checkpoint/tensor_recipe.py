"""How each tensor of an encoder is computed from tensors of a file, without reading them yet."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from encoder.config import Tubelet


class TensorRecipe(NamedTuple):
    """One tensor: `make` computes it from the file's tensors `sources`."""

    sources: tuple[str, ...]
    make: Callable[..., Tensor]
    change: str = ""  # what differs from a copy, for the report

    def then(self, function: Callable[[Tensor], Tensor], change: str = "") -> "TensorRecipe":
        """The same tensor with one more function applied."""
        return TensorRecipe(
            self.sources,
            lambda *sources: function(self.make(*sources)),
            ", then ".join(filter(None, (self.change, change))),
        )


TensorRecipes = dict[str, TensorRecipe]
"""By the encoder's own tensor names."""


def copy_tensor(name: str) -> TensorRecipe:
    return TensorRecipe((name,), lambda tensor: tensor)


def flatten_tensor(name: str) -> TensorRecipe:
    """A vector that the file stores with axes of length 1."""
    return TensorRecipe((name,), lambda tensor: tensor.flatten())


def constant_tensor(shape: Iterable[int], value: float, change: str) -> TensorRecipe:
    """A tensor that files omit because it is constant."""
    size = tuple(shape)
    return TensorRecipe((), lambda: torch.full(size, value), change)


def qkv_slice(name: str, index: int) -> TensorRecipe:
    """Queries (0), keys (1) or values (2) of a fused bias."""
    return TensorRecipe(
        (name,),
        lambda tensor: tensor.chunk(3)[index],
        "sliced from the fused bias (a key bias has no effect on the softmax)",
    )


def concat_qkv(names: Iterable[str]) -> TensorRecipe:
    """The fused weight of separate queries, keys and values."""
    return TensorRecipe(
        tuple(names), lambda *weights: torch.cat(weights), "concatenated from q, k and v"
    )


def kernel_to_matrix(kernel: Float[Tensor, "d c *thw"]) -> Float[Tensor, "d p"]:
    """A convolution kernel, with or without a time axis, as the matrix of a flattened tubelet."""
    if kernel.ndim == 4:
        kernel = kernel.unsqueeze(2)
    return rearrange(kernel, "d c t h w -> d (t h w c)").contiguous()


def matrix_to_kernel(matrix: Float[Tensor, "d p"], tubelet: Tubelet) -> Float[Tensor, "d c t h w"]:
    """The inverse of `kernel_to_matrix`."""
    t, h, w = tubelet
    return rearrange(matrix, "d (t h w c) -> d c t h w", t=t, h=h, w=w).contiguous()


def inflate(matrix: Float[Tensor, "d p"], frames: int, rule: str) -> Float[Tensor, "d q"]:
    """The weight for tubelets of one frame as the weight for tubelets of several frames.

    `average`: each frame gets 1/frames of it, so a still clip gives the features of its image.
    `center`: frame `frames // 2` gets all of it. I3D (Carreira and Zisserman, CVPR 2017), section
    2.4; ViViT (Arnab et al., ICCV 2021), section 3.4.
    """
    if rule == "average":
        return matrix.repeat(1, frames) / frames
    centred = torch.zeros_like(matrix).repeat(1, frames)
    middle = slice(frames // 2 * matrix.shape[1], (frames // 2 + 1) * matrix.shape[1])
    centred[:, middle] = matrix
    return centred
