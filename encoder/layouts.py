"""How the same block is stored elsewhere: renaming rows and the few tensors that change shape."""

import re
from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from encoder.config import Tubelet

Rows = Sequence[tuple[str, str]]
"""(own prefix, foreign prefix); the first row that fits a name renames it."""

HUGGINGFACE_BLOCK: Rows = (
    ("norm1.", "layernorm_before."),
    ("norm2.", "layernorm_after."),
    ("attn.q_bias", "attention.attention.query.bias"),
    ("attn.v_bias", "attention.attention.value.bias"),
    ("attn.proj.", "attention.output.dense."),
    ("mlp.fc1.", "intermediate.dense."),
    ("mlp.fc2.", "output.dense."),
)
# Files written by transformers before version 5 name the same biases otherwise.
HUGGINGFACE_OLD_BLOCK: Rows = (
    ("attn.q_bias", "attention.attention.q_bias"),
    ("attn.v_bias", "attention.attention.v_bias"),
)
SPLIT = ("attention.attention.query", "attention.attention.key", "attention.attention.value")
FUSED = "attn.qkv"

IN_BLOCK = re.compile(r"^(.*\.\d+\.)(.+)$")


def rename(name: str, rows: Rows) -> str:
    """The name by the first row whose left side it starts with; itself where there is none."""
    for left, right in rows:
        if name.startswith(left):
            return right + name[len(left) :]
    return name


def rename_in_block(name: str, rows: Rows) -> str:
    """Renames what follows the block's number, as in `decoder.blocks.3.attn.proj.weight`."""
    match = IN_BLOCK.match(name)
    return match[1] + rename(match[2], rows) if match else name


def reverse(rows: Rows) -> Rows:
    return [(right, left) for left, right in rows]


def split_attention(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each fused `attn.qkv` weight as separate query, key and value weights."""
    split: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if FUSED in name:
            for part, piece in zip(SPLIT, tensor.chunk(3), strict=True):
                split[name.replace(FUSED, part)] = piece
        else:
            split[name] = tensor
    return split


def fuse_attention(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `split_attention`; an incomplete triple is left as it is."""
    fused = dict(tensors)
    for name in tensors:
        if not name.endswith(f"{SPLIT[0]}.weight"):
            continue
        triple = [name.replace(SPLIT[0], part) for part in SPLIT]
        if all(part in tensors for part in triple):
            for part in triple:
                del fused[part]
            fused[name.replace(SPLIT[0], FUSED)] = torch.cat([tensors[part] for part in triple])
    return fused


def kernel_to_matrix(kernel: Float[Tensor, "d c t h w"]) -> Float[Tensor, "d p"]:
    """A convolution's kernel as the weight of the product with a tubelet's values."""
    return rearrange(kernel, "d c t h w -> d (t h w c)").contiguous()


def matrix_to_kernel(matrix: Float[Tensor, "d p"], tubelet: Tubelet) -> Float[Tensor, "d c t h w"]:
    """The inverse of `kernel_to_matrix`."""
    t, h, w = tubelet
    return rearrange(matrix, "d (t h w c) -> d c t h w", t=t, h=h, w=w).contiguous()
