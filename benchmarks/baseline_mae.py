"""Baseline: a masked autoencoder implemented as in published code, for comparison.

All tokens are embedded with their positions before a boolean index drops the masked ones; attention
materialises its matrix; targets are built for all tokens; the host reads the loss at every step.
With the same weights its loss equals that of `pretrain`.
"""

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from encoder.block import NORM_EPS
from encoder.config import EncoderConfig
from encoder.pos_embed import sinusoid_table
from pretrain.config import DecoderConfig
from pretrain.targets.pixel_targets import NormalisedPixels, pixel_width


class Tokens(NamedTuple):
    """Boolean masks with the same count in every clip."""

    hidden: Bool[Tensor, "b n"]  # hidden from the encoder
    decoded: Bool[Tensor, "b n"]


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias, self.v_bias = (nn.Parameter(torch.zeros(width)) for _ in range(2))
        self.proj = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        bias = torch.cat((self.q_bias, torch.zeros_like(self.v_bias), self.v_bias))
        qkv = nn.functional.linear(x, self.qkv.weight, bias)
        q, k, v = rearrange(qkv, "b n (s h e) -> s b h n e", s=3, h=self.heads)
        weights = (q * self.scale @ k.transpose(-2, -1)).softmax(dim=-1)
        return self.proj(rearrange(weights @ v, "b h n e -> b n (h e)"))


class Block(nn.Module):
    def __init__(self, width: int, heads: int, ratio: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=NORM_EPS) for _ in range(2))
        self.attn = Attention(width, heads)
        inner = round(width * ratio)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, inner), "fc2": nn.Linear(inner, width)})

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        x = x + self.attn(self.norm1(x))
        hidden = nn.functional.gelu(self.mlp["fc1"](self.norm2(x)))
        return x + self.mlp["fc2"](hidden)


class Encoder(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width, tubelet = config.embed_dim, config.tubelet_shape
        self.embed = nn.Conv3d(config.channels, width, tubelet, tubelet)
        self.blocks = nn.ModuleList(
            Block(width, config.num_heads, config.mlp_ratio) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.positions = sinusoid_table(config.tokens, width)  # not a buffer: moved at each step

    def forward(
        self, clip: Float[Tensor, "b c t h w"], hidden: Bool[Tensor, "b n"]
    ) -> Float[Tensor, "b v d"]:
        x = self.embed(clip).flatten(2).transpose(1, 2)
        x = x + self.positions.to(x).clone()
        x = x[~hidden].reshape(len(x), -1, x.shape[-1])
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class Decoder(nn.Module):
    def __init__(self, config: DecoderConfig, encoder: EncoderConfig) -> None:
        super().__init__()
        width = config.embed_dim
        self.embed = nn.Linear(encoder.embed_dim, width, bias=False)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.blocks = nn.ModuleList(
            Block(width, config.num_heads, config.mlp_ratio) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.head = nn.Linear(
            width, pixel_width(NormalisedPixels(), encoder, config.predicted_frames)
        )
        self.positions = sinusoid_table(encoder.tokens, width)

    def forward(self, latent: Float[Tensor, "b v d"], tokens: Tokens) -> Float[Tensor, "b k p"]:
        visible = self.embed(latent)
        positions = self.positions.to(visible).expand(len(visible), -1, -1).clone()
        token_positions = [
            positions[selected].reshape(len(visible), -1, visible.shape[-1])
            for selected in (~tokens.hidden, tokens.decoded)
        ]
        x = torch.cat((visible + token_positions[0], self.mask_token + token_positions[1]), dim=1)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, -token_positions[1].shape[1] :]))


class BaselineAutoencoder(nn.Module):
    """The parameters are named as in `pretrain.autoencoder`; the embedding is a convolution."""

    def __init__(self, encoder: EncoderConfig, decoder: DecoderConfig) -> None:
        super().__init__()
        self.config = encoder
        self.encoder, self.decoder = Encoder(encoder), Decoder(decoder, encoder)

    def forward(self, clip: Float[Tensor, "b c t h w"], tokens: Tokens) -> Float[Tensor, "b k p"]:
        return self.decoder(self.encoder(clip, tokens.hidden), tokens)

    def loss(self, clip: Float[Tensor, "b c t h w"], tokens: Tokens) -> Float[Tensor, ""]:
        """The loss of a normalised clip, over tokens decoded and hidden from the encoder."""
        prediction = self(clip, tokens)
        target = self._targets(clip)[tokens.decoded].reshape(prediction.shape)
        in_loss = tokens.hidden[tokens.decoded].reshape(prediction.shape[:2])
        error = (prediction - target).square().mean(dim=-1)
        return (error * in_loss).sum() / in_loss.sum()

    @torch.no_grad()
    def _targets(self, clip: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b n p"]:
        mean, std = (
            torch.tensor(values, device=clip.device)[:, None, None, None]
            for values in (self.config.mean, self.config.std)
        )
        t, h, w = self.config.tubelet_shape
        tubelets = rearrange(
            clip * std + mean,
            "b c (n1 t) (n2 h) (n3 w) -> b (n1 n2 n3) (t h w) c",
            t=t,
            h=h,
            w=w,
        )
        centred = tubelets - tubelets.mean(dim=-2, keepdim=True)
        deviation = tubelets.var(dim=-2, unbiased=True, keepdim=True).sqrt() + 1e-6
        return rearrange(centred / deviation, "b n x c -> b n (x c)")
