"""The decoder: encoder tokens and mask tokens to the pixels of decoded tubelets."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from encoder.block import NORM_EPS, build_blocks, initialise_linear, run_block
from encoder.config import EncoderConfig
from encoder.pos_embed import ClassToken, build_positions
from pretrain.config import DecoderConfig


class Decoder(nn.Module):
    """Narrow transformer over visible tokens followed by mask tokens, no unshuffling.

    VideoMAE V2 (Wang et al., 2023), section 3.2. The last block computes only the decoded tokens.
    """

    def __init__(
        self, config: DecoderConfig, encoder: EncoderConfig, recompute: bool = False
    ) -> None:
        super().__init__()
        self.config, self.recompute = config, recompute
        # left at torch's default initialisation, as upstream leaves it
        self.embed = nn.Linear(encoder.embed_dim, config.embed_dim, bias=config.embed_bias)
        self.mask_token = nn.Parameter(torch.empty(1, 1, config.embed_dim))
        nn.init.trunc_normal_(self.mask_token, std=0.02, a=-0.02, b=0.02)
        self.positions = build_positions(config.pos_embed, encoder.grid, config.embed_dim)
        learned = config.pos_embed == "separable"
        self.class_token = (
            ClassToken(config.embed_dim, position=learned) if config.class_token else nn.Identity()
        )
        self.blocks = build_blocks(
            config.depth, config.embed_dim, config.num_heads, config.mlp_ratio, config.drop_path
        )
        self.norm = nn.LayerNorm(config.embed_dim, eps=NORM_EPS)
        self.head = nn.Linear(config.embed_dim, config.values(encoder))
        initialise_linear(self.head)

    def forward(
        self,
        latent: Float[Tensor, "b v d"],
        visible: Int64[Tensor, "b v"],
        decoded: Int64[Tensor, "b k"],
    ) -> Float[Tensor, "b k p"]:
        """Predicted target values of the tubelets at `decoded`, in that order."""
        seen = self.embed(latent) + self.positions(visible)
        asked = self.mask_token + self.positions(decoded)
        x = torch.cat((seen, asked), dim=1).to(latent.dtype)  # computed tables stay in float32
        x = self.class_token(x)
        last = len(self.blocks) - 1
        for i, block in enumerate(self.blocks):
            outputs = decoded.shape[1] if i == last else None
            x = run_block(block, x, outputs, self.recompute)
        return self.head(self.norm(x))
