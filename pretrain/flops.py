"""Cost of a clip: multiply-accumulates of the forward pass, counted from sizes and masks."""

from typing import NamedTuple

from encoder.config import EncoderConfig
from encoder.flops import block_macs, encoder_macs
from encoder.mlp_width import mlp_width
from masking import Counts
from pretrain.config import DecoderConfig
from pretrain.targets.registry import DEFAULT_TARGET
from pretrain.targets.spec import PretrainingTarget, values_per_token


class ForwardCost(NamedTuple):
    """Multiply-accumulates of one clip, matrix products only."""

    embed: int
    encoder: int
    decoder: int
    head: int
    target: int = 0  # a teacher's, for example

    @property
    def total(self) -> int:
        """Of the forward pass, target included."""
        return sum(self)

    @property
    def training_flops(self) -> int:
        """Operations of a training step: a backward pass costs two forward passes.

        The target has no backward pass.
        """
        return 2 * (3 * (self.total - self.target) + self.target)


def forward_cost(
    encoder: EncoderConfig,
    decoder: DecoderConfig,
    counts: Counts,
    target: PretrainingTarget = DEFAULT_TARGET,
) -> ForwardCost:
    """Counts what is computed: visible tubelets embedded, the last block for decoded tokens."""
    embed, blocks = encoder_macs(encoder, counts.visible)
    width, inner = decoder.embed_dim, mlp_width(decoder.embed_dim, decoder.mlp_ratio)
    sequence = counts.visible + counts.decoded
    first_blocks = block_macs(sequence, sequence, width, inner) * (decoder.depth - 1)
    last_block = block_macs(sequence, counts.decoded, width, inner)
    outputs = values_per_token(target, encoder, decoder.predicted_frames)
    return ForwardCost(
        embed=embed,
        encoder=blocks,
        decoder=counts.visible * encoder.embed_dim * width + first_blocks + last_block,
        head=counts.decoded * width * outputs,
        target=target.spec.macs(target, encoder, counts),
    )
