"""The video encoder: visible tubelets of a clip to tokens."""

from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from encoder.block import NORM_EPS, build_blocks, run_block
from encoder.config import EncoderConfig
from encoder.positions import sinusoid_table
from encoder.tubelets import gather_tokens, split_tubelets, standardise, unit_pixels


class VideoEncoder(nn.Module):
    """A plain vision transformer over tubelets (VideoMAE, Tong et al., 2022, section 3.3).

    A tubelet is embedded by one matrix product, whose weight [d, p] is the convolution's kernel in
    the order of the pixels. Only tokens that are asked for are ever computed.
    `recompute`: activation checkpointing of every block.
    """

    positions: Tensor

    def __init__(self, config: EncoderConfig, recompute: bool = False) -> None:
        super().__init__()
        self.config, self.recompute = config, recompute
        # torch's default initialisation of a linear layer is that of upstream's convolution
        self.embed = nn.Linear(config.tubelet_values, config.embed_dim)
        table = sinusoid_table(config.tokens, config.embed_dim)
        self.register_buffer("positions", table, persistent=False)
        self.blocks = build_blocks(
            config.depth, config.embed_dim, config.num_heads, config.mlp_ratio, config.drop_path
        )
        self.norm = nn.LayerNorm(config.embed_dim, eps=NORM_EPS)

    def forward(
        self, clip: Shaped[Tensor, "b t h w c"], visible: Int64[Tensor, "b v"] | None = None
    ) -> Float[Tensor, "b v d"]:
        """Tokens of the tubelets at `visible` (all where None), normalised by the last layer.

        `clip` holds bytes, or floats in 0..1; the encoder standardises them itself. Raises
        ValueError where the clip is not of the configured frames, rows, columns and channels.
        """
        self._require_shape(clip)
        tubelets, positions = split_tubelets(clip, self.config.tubelet_shape), self.positions[None]
        if visible is not None:
            tubelets = gather_tokens(tubelets, visible)
            positions = self.positions[visible]
        pixels = standardise(unit_pixels(tubelets), self.config.mean, self.config.std)
        x = self.embed(pixels.to(self.embed.weight.dtype))
        x = (x + positions).to(x.dtype)  # the table stays in float32 where weights do not
        for block in self.blocks:
            x = run_block(block, x, None, self.recompute)
        return self.norm(x)

    def _require_shape(self, clip: Tensor) -> None:
        expected = (self.config.frames, *self.config.image_size, self.config.channels)
        if tuple(clip.shape[1:]) != expected:
            raise ValueError(
                f"the clip is {tuple(clip.shape[1:])} (frames, rows, columns, channels), "
                f"the encoder wants {expected}"
            )
