"""The video encoder: a vision transformer over the visible tubelets of a clip."""

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
    """A requested attention map does not exist in the encoder."""

    exit_status = 2
    on_every_process = True


class Features(NamedTuple):
    """Output of an encoder of width `d`."""

    tokens: Float[Tensor, "b n d"]  # of patches, in the order (frame, row, column)
    class_token: Float[Tensor, "b d"] | None
    pooled: Float[Tensor, "b d"]  # input of a head
    grid: Grid
    # by requested layer: [b h n n], or as DividedBlock.attention, or the result of `reduce`
    attention: dict[int, Tensor]


class VideoEncoder(nn.Module):
    """A vision transformer over tubelets (VideoMAE, Tong et al., 2022, section 3.3).

    Tubelets are embedded by a matrix product whose weight [d, p] is the convolution's kernel in
    the order of the pixels. Only visible tokens are computed.
    `activation_checkpointing` applies to every block.
    """

    def __init__(self, config: EncoderConfig, activation_checkpointing: bool = False) -> None:
        super().__init__()
        self.config, self.activation_checkpointing = config, activation_checkpointing
        # torch's default initialisation of a linear layer equals that of VideoMAE's convolution
        self.embed = nn.Linear(config.tubelet_values, config.embed_dim)
        self.positions = build_positions(
            config.pos_embed, config.grid, config.embed_dim, config.trained_grid
        )
        self.class_token = (
            ClassToken(config.embed_dim, position=config.positions_learned)
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
        """Features of the tubelets at indices `visible`; None: of all tubelets.

        `clip` has bytes, or floats in 0..1, which the encoder normalises. `attention` lists layers
        (from 0, or from -1 backwards) whose attention weights are returned; `reduce` is applied to
        each layer's weights, so that those of several layers are not in memory together.
        Raises ValueError where the clip has another shape than configured, and NoSuchAttention for
        an unknown layer.
        """
        self._require_shape(clip)
        requested = {layer_number(i, self.config.depth): i for i in attention}
        x = self.norm_pre(self.class_token(self._embedded(clip, visible)))
        maps = {}
        for i, block in enumerate(self.blocks):
            if i in requested:
                assert isinstance(block, Block | DividedBlock)
                maps[requested[i]] = reduce(block.attention(x)) if reduce else block.attention(x)
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
        return (x + self.positions(visible)).to(x.dtype)  # computed tables stay float32

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
                f"the clip has shape {tuple(clip.shape[1:])} (frames, rows, columns, channels), "
                f"the encoder needs {expected}"
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


def layer_number(layer: int, depth: int) -> int:
    """A layer's number from 0, given as that or from -1 backwards; raises NoSuchAttention."""
    if not -depth <= layer < depth:
        raise NoSuchAttention(
            f"attention of layer {layer}: the encoder has layers 0 to {depth - 1}, "
            f"or backwards -1 to -{depth}"
        )
    return layer % depth
