"""How each tensor of an encoder is made from tensors of a file, without reading them yet."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from encoder.config import Tubelet


class TensorRecipe(NamedTuple):
    """One tensor to be: `make` of tensors of the file; `how` where it is more than a copy."""

    sources: tuple[str, ...]
    make: Callable[..., Tensor]
    change: str = ""

    def then(self, change: Callable[[Tensor], Tensor], how: str = "") -> "TensorRecipe":
        """The same tensor after one more change."""
        return TensorRecipe(
            self.sources,
            lambda *sources: change(self.make(*sources)),
            ", then ".join(filter(None, (self.change, how))),
        )


TensorRecipes = dict[str, TensorRecipe]


def copy_tensor(name: str) -> TensorRecipe:
    return TensorRecipe((name,), lambda tensor: tensor)


def flatten_tensor(name: str) -> TensorRecipe:
    """A vector that the file holds with axes of length one."""
    return TensorRecipe((name,), lambda tensor: tensor.flatten())


def constant_tensor(shape: Iterable[int], value: float, how: str) -> TensorRecipe:
    """A tensor that a file leaves out because it is constant."""
    size = tuple(shape)
    return TensorRecipe((), lambda: torch.full(size, value), how)


def qkv_slice(name: str, which: int) -> TensorRecipe:
    """Queries (0), keys (1) or values (2) of a fused tensor."""
    return TensorRecipe(
        (name,),
        lambda tensor: tensor.chunk(3)[which],
        "from the fused bias; that of keys cannot change a softmax",
    )


def concat_qkv(names: Iterable[str]) -> TensorRecipe:
    """Queries, keys and values one after the other."""
    return TensorRecipe(tuple(names), lambda *parts: torch.cat(parts), "from separate q, k and v")


def kernel_to_matrix(kernel: Float[Tensor, "d c *thw"]) -> Float[Tensor, "d p"]:
    """A convolution's kernel, with or without t, as the weight of a product with a tubelet."""
    if kernel.ndim == 4:
        kernel = kernel.unsqueeze(2)
    return rearrange(kernel, "d c t h w -> d (t h w c)").contiguous()


def matrix_to_kernel(matrix: Float[Tensor, "d p"], tubelet: Tubelet) -> Float[Tensor, "d c t h w"]:
    """The inverse of `kernel_to_matrix`."""
    t, h, w = tubelet
    return rearrange(matrix, "d (t h w c) -> d c t h w", t=t, h=h, w=w).contiguous()


def inflate(matrix: Float[Tensor, "d p"], frames: int, rule: str) -> Float[Tensor, "d q"]:
    """The weight for tubelets of one frame as one for tubelets of several.

    `average`: every frame gets an equal share, so a still clip gives what its picture gave.
    `center`: the frame in the middle, `frames // 2`, gets it all. I3D (Carreira and Zisserman,
    CVPR 2017), section 2.4; ViViT (Arnab et al., ICCV 2021), section 3.4.
    """
    if rule == "average":
        return matrix.repeat(1, frames) / frames
    centred = torch.zeros_like(matrix).repeat(1, frames)
    middle = slice(frames // 2 * matrix.shape[1], (frames // 2 + 1) * matrix.shape[1])
    centred[:, middle] = matrix
    return centred
