"""What a clip costs: multiply-accumulates of the forward pass, counted from sizes and masks."""

from typing import NamedTuple

from encoder.config import EncoderConfig
from encoder.flops import block_macs, encoder_macs
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
    embed, blocks = encoder_macs(encoder, counts.visible)
    width, inner = decoder.embed_dim, round(decoder.embed_dim * decoder.mlp_ratio)
    sequence = counts.visible + counts.decoded
    whole = block_macs(sequence, sequence, width, inner) * (decoder.depth - 1)
    last = block_macs(sequence, counts.decoded, width, inner)
    return ForwardCost(
        embed=embed,
        encoder=blocks,
        decoder=counts.visible * encoder.embed_dim * width + whole + last,
        head=counts.decoded * width * decoder.values(encoder),
    )
