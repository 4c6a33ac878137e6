"""What a clip costs: multiply-accumulates of the forward pass, counted from sizes and masks."""

from typing import NamedTuple

from encoder.config import EncoderConfig
from masking import Counts
from pretrain.config import DecoderConfig


class ForwardCost(NamedTuple):
    """Multiply-accumulates of one clip, matrix products only."""

    embed: int
    encoder: int
    decoder: int
    head: int

    @property
    def total(self) -> int:
        return sum(self)

    @property
    def training_flops(self) -> int:
        """Forward and backward: twice the forward again, two operations each."""
        return 3 * 2 * self.total


def forward_cost(encoder: EncoderConfig, decoder: DecoderConfig, counts: Counts) -> ForwardCost:
    """Counts what is computed: visible tubelets embedded, the last block for decoded tokens."""
    width, inner = encoder.embed_dim, round(encoder.embed_dim * encoder.mlp_ratio)
    encoder_block = block_macs(counts.visible, counts.visible, width, inner)
    width, inner = decoder.embed_dim, round(decoder.embed_dim * decoder.mlp_ratio)
    sequence = counts.visible + counts.decoded
    whole = block_macs(sequence, sequence, width, inner) * (decoder.depth - 1)
    last = block_macs(sequence, counts.decoded, width, inner)
    return ForwardCost(
        embed=counts.visible * encoder.tubelet_values * encoder.embed_dim,
        encoder=encoder_block * encoder.depth,
        decoder=counts.visible * encoder.embed_dim * width + whole + last,
        head=counts.decoded * width * encoder.tubelet_values,
    )


def block_macs(tokens: int, outputs: int, width: int, inner: int) -> int:
    """One block: keys and values of all tokens; queries, projection and MLP of the outputs."""
    attention = 2 * tokens * width**2 + 2 * outputs * width**2 + 2 * outputs * tokens * width
    return attention + 2 * outputs * width * inner
