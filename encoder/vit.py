"""The video encoder: visible tubelets of a clip to tokens."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from encoder.block import Block, block_stack, drop_path_rates, run_block
from encoder.config import EncoderConfig, Grid
from encoder.divided_attention import DividedBlock, build_divided_blocks
from encoder.patchify import gather_tokens, split_tubelets, standardise, unit_pixels
from encoder.pos_embed import ClassToken, build_positions


class NoSuchAttention(ValueError):
    """Attention that an encoder has not: what was asked for, and what there is."""

    exit_status = 2
    on_every_process = True


class Features(NamedTuple):
    """What an encoder makes of clips; `d` is its width."""

    tokens: Float[Tensor, "b n d"]  # of the patches, over (frame, row, column)
    class_token: Float[Tensor, "b d"] | None
    pooled: Float[Tensor, "b d"]  # what a head reads
    grid: Grid
    # by layer, as asked: [b h n n], or as DividedBlock.attention, or what `keep` made of it
    attention: dict[int, Tensor]


class VideoEncoder(nn.Module):
    """A plain vision transformer over tubelets (VideoMAE, Tong et al., 2022, section 3.3).

    A tubelet is embedded by one matrix product, whose weight [d, p] is the convolution's kernel in
    the order of the pixels. Only tokens that are asked for are ever computed.
    `activation_checkpointing` applies to every block.
    """

    def __init__(self, config: EncoderConfig, activation_checkpointing: bool = False) -> None:
        super().__init__()
        self.config, self.activation_checkpointing = config, activation_checkpointing
        # torch's default initialisation of a linear layer is that of upstream's convolution
        self.embed = nn.Linear(config.tubelet_values, config.embed_dim)
        self.positions = build_positions(
            config.pos_embed, config.grid, config.embed_dim, config.trained_grid
        )
        self.class_token = (
            ClassToken(config.embed_dim, placed=config.positions_learned)
            if config.class_token
            else nn.Identity()
        )
        self.norm_pre = _norm(config) if config.pre_norm else nn.Identity()
        self.blocks = (
            build_divided_blocks(config) if config.attention == "divided" else _joint_blocks(config)
        )
        self.norm = _norm(config)

    def forward(
        self,
        clip: Shaped[Tensor, "b t h w c"],
        visible: Int64[Tensor, "b v"] | None = None,
        attention: Collection[int] = (),
        reduce: Callable[[Tensor], Tensor] | None = None,
    ) -> Features:
        """Features of the tubelets at `visible`, of all where None.

        `clip` holds bytes, or floats in 0..1; the encoder standardises them itself. `attention`
        names layers, from 0 or from -1 backwards, whose attention weights are returned as well; or
        only what `keep` makes of each layer's, so that those of several are never held together.
        Raises ValueError where the clip is not of the configured frames, rows, columns and
        channels, and NoSuchAttention where there is no such layer.
        """
        self._require_shape(clip)
        wanted = {layer_number(i, self.config.depth): i for i in attention}
        x = self.norm_pre(self.class_token(self._embedded(clip, visible)))
        maps = {}
        for i, block in enumerate(self.blocks):
            if i in wanted:
                assert isinstance(block, Block | DividedBlock)
                maps[wanted[i]] = reduce(block.attention(x)) if reduce else block.attention(x)
            x = run_block(block, x, None, self.activation_checkpointing)
        return self._features(x, maps)

    def _embedded(self, clip: Tensor, visible: Tensor | None) -> Float[Tensor, "b v d"]:
        tubelets = split_tubelets(clip, self.config.tubelet_shape)
        if visible is not None:
            if self.config.attention == "divided":
                raise ValueError("divided attention needs all tokens of a clip, not visible ones")
            tubelets = gather_tokens(tubelets, visible)
        pixels = standardise(unit_pixels(tubelets), self.config.mean, self.config.std)
        x = self.embed(pixels.to(self.embed.weight.dtype))
        return (x + self.positions(visible)).to(x.dtype)  # computed tables stay in float32

    def _features(self, x: Float[Tensor, "b n d"], maps: dict[int, Tensor]) -> Features:
        on_tokens = self.config.norm == "tokens"
        if on_tokens:
            x = self.norm(x)
        class_token = x[:, 0] if self.config.class_token else None
        tokens = x[:, 1:] if self.config.class_token else x
        pooled = tokens.mean(1) if self.config.pooling == "mean" else x[:, 0]
        if not on_tokens:
            pooled = self.norm(pooled)
        return Features(tokens, class_token, pooled, self.config.grid, maps)

    def _require_shape(self, clip: Tensor) -> None:
        expected = (self.config.num_frames, *self.config.image_size, self.config.channels)
        if tuple(clip.shape[1:]) != expected:
            raise ValueError(
                f"the clip is {tuple(clip.shape[1:])} (frames, rows, columns, channels), "
                f"the encoder wants {expected}"
            )


def _joint_blocks(config: EncoderConfig) -> nn.ModuleList:
    rates = drop_path_rates(config.drop_path, config.depth)
    return block_stack(
        Block(
            config.embed_dim,
            config.num_heads,
            config.mlp_ratio,
            rate,
            config.norm_eps,
            config.activation,
            config.layer_scale,
        )
        for rate in rates
    )


def _norm(config: EncoderConfig) -> nn.LayerNorm:
    return nn.LayerNorm(config.embed_dim, eps=config.norm_eps)


def layer_number(asked: int, depth: int) -> int:
    """A layer counted from 0, which may be given from -1 backwards; raises NoSuchAttention."""
    if not -depth <= asked < depth:
        raise NoSuchAttention(
            f"attention of layer {asked}: the encoder has layers 0 to {depth - 1}, "
            f"or from the last -1 to -{depth}"
        )
    return asked % depth
