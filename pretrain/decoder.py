"""The decoder: from encoder tokens and mask tokens to the target of the decoded tokens."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from encoder.block import NORM_EPS, build_blocks, initialise_linear, run_block
from encoder.config import EncoderConfig
from encoder.pos_embed import ClassToken, build_positions
from pretrain.config import DecoderConfig


class Decoder(nn.Module):
    """Narrow transformer over visible tokens followed by mask tokens, without unshuffling.

    VideoMAE V2 (Wang et al., 2023), section 3.2. The last block computes only the decoded tokens.
    `outputs` are the target's values per token.
    """

    def __init__(
        self,
        config: DecoderConfig,
        encoder: EncoderConfig,
        outputs: int,
        recompute: bool = False,
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
        self.head = nn.Linear(config.embed_dim, outputs)
        initialise_linear(self.head)

    def forward(
        self,
        latent: Float[Tensor, "b v d"],
        visible: Int64[Tensor, "b v"],
        decoded: Int64[Tensor, "b k"],
    ) -> Float[Tensor, "b k p"]:
        """Predicted values of the tokens at `decoded`, in that order."""
        embedded = self.embed(latent) + self.positions(visible)
        queries = self.mask_token + self.positions(decoded)
        # position tables are float32, whatever the precision of the model
        x = torch.cat((embedded, queries), dim=1).to(latent.dtype)
        x = self.class_token(x)
        last = len(self.blocks) - 1
        for i, block in enumerate(self.blocks):
            outputs = decoded.shape[1] if i == last else None
            x = run_block(block, x, outputs, self.recompute)
        return self.head(self.norm(x))
