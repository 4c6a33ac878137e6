"""The memory of Transformer blocks in training, from their sizes alone."""

from typing import NamedTuple

BYTES = 4  # of a value in float32, the widest precision


class RoughMemory(NamedTuple):
    """Estimates from above, in float32."""

    parameters: int
    activations: int  # bytes that a clip keeps for the backward pass


def rough_memory(
    tokens: int, embed_dim: int, num_heads: int, mlp_ratio: float, depth: int
) -> RoughMemory:
    """Of blocks without activation checkpointing, for so many tokens of a clip.

    Korthikanti et al. (2022), "Reducing Activation Recomputation in Large Transformer Models",
    section 4.1: 34 s h + 5 a s^2 bytes in 2 bytes a value at an MLP ratio of 4, dropout included.
    """
    parameters = depth * round((4 + 2 * mlp_ratio) * embed_dim**2 + 20 * embed_dim)
    values = (9 + 2 * mlp_ratio) * tokens * embed_dim + 2.5 * num_heads * tokens**2
    return RoughMemory(parameters, round(BYTES * depth * values))
