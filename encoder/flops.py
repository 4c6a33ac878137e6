"""Multiply-accumulates (MACs) of the matrix products of an encoder."""

from encoder.config import EncoderConfig
from encoder.mlp_width import mlp_width


def encoder_macs(config: EncoderConfig, tokens: int) -> tuple[int, int]:
    """MACs of the patch embedding and of all blocks, for one clip with so many visible tokens."""
    width, inner = config.embed_dim, mlp_width(config.embed_dim, config.mlp_ratio)
    embed = tokens * config.tubelet_values * width
    block = block_macs(tokens, tokens, width, inner)
    if config.attention == "divided":  # over time per place, then over space per frame
        frames = config.grid[0]
        places = tokens // frames
        products = 2 * tokens * (frames + places) * width
        block += 5 * tokens * width**2 + products - 2 * tokens**2 * width
    return embed, block * config.depth


def block_macs(tokens: int, outputs: int, width: int, inner: int) -> int:
    """MACs of one block: keys and values of all tokens; queries, projection, MLP of the outputs."""
    attention = 2 * tokens * width**2 + 2 * outputs * width**2 + 2 * outputs * tokens * width
    return attention + 2 * outputs * width * inner
