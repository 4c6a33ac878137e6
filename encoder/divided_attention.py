"""Blocks with divided space-time attention: over time per place, then over space per frame."""

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from encoder.block import Attention, Block, DropPath, block_stack, drop_path_rates, scaled
from encoder.config import EncoderConfig


class DividedBlock(nn.Module):
    """Divided space-time attention (TimeSformer, Bertasius et al., ICML 2021, section 3).

    A class token takes part in spatial attention only, once per frame; the mean of its outputs
    over the frames is its new value.
    """

    def __init__(self, config: EncoderConfig, drop_path: float) -> None:
        super().__init__()
        self.frames, self.classes = config.grid[0], int(config.class_token)
        self.time_norm = nn.LayerNorm(config.embed_dim, eps=config.norm_eps)
        self.time_attn = Attention(config.embed_dim, config.num_heads)
        self.time_proj = nn.Linear(config.embed_dim, config.embed_dim)
        self.space = Block(
            config.embed_dim,
            config.num_heads,
            config.mlp_ratio,
            0.0,
            config.norm_eps,
            config.activation,
            config.layer_scale,
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Float[Tensor, "b n d"], outputs: None = None) -> Float[Tensor, "b n d"]:
        x = self._over_time(x)
        space = self.space
        attended = space.attn(space.norm1(self._frames(x)))
        x = x + self.drop_path(scaled(self._clip(attended), space.scale1))
        return x + self.drop_path(scaled(space.mlp(space.norm2(x)), space.scale2))

    def attention(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b t h s s"]:
        """Weights of the spatial attention per frame and head, with the class token first."""
        frames = self.space.attention(self._frames(self._over_time(x)))
        return rearrange(frames, "(b t) h q k -> b t h q k", t=self.frames)

    def _over_time(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        class_token, patches = x.tensor_split([self.classes], dim=1)
        places = rearrange(patches, "b (t s) d -> (b s) t d", t=self.frames)
        attended = self.time_proj(self.drop_path(self.time_attn(self.time_norm(places))))
        attended = rearrange(attended, "(b s) t d -> b (t s) d", b=len(x))
        return torch.cat((class_token, patches + attended), dim=1)

    def _frames(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "f s d"]:
        """One sequence per frame, each with a copy of the class token."""
        class_token, patches = x.tensor_split([self.classes], dim=1)
        copies = repeat(class_token, "b c d -> (b t) c d", t=self.frames)
        frames = rearrange(patches, "b (t s) d -> (b t) s d", t=self.frames)
        return torch.cat((copies, frames), dim=1)

    def _clip(self, frames: Float[Tensor, "f s d"]) -> Float[Tensor, "b n d"]:
        """The inverse of `_frames`; the class token is the mean of its copies."""
        copies, patches = frames.tensor_split([self.classes], dim=1)
        class_token = rearrange(copies, "(b t) c d -> b t c d", t=self.frames).mean(1)
        patches = rearrange(patches, "(b t) s d -> b (t s) d", t=self.frames)
        return torch.cat((class_token, patches), dim=1)


def build_divided_blocks(config: EncoderConfig) -> nn.ModuleList:
    """Blocks whose temporal attention has no effect at first, except in the first block.

    `time_proj` of the other blocks is 0, as in TimeSformer, so weights of an image model keep
    their function.
    """
    blocks = [
        DividedBlock(config, rate) for rate in drop_path_rates(config.drop_path, config.depth)
    ]
    stack = block_stack(blocks)
    for block in blocks[1:]:
        nn.init.zeros_(block.time_proj.weight)
    return stack
