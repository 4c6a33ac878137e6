"""The transformer block: pre-norm attention and MLP."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from timm.layers import DropPath, Mlp
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

NORM_EPS = 1e-6


class Attention(nn.Module):
    """Joint self-attention of all tokens.

    Queries and values have a bias, keys have none: it would add the same number to every logit of
    a query, and a softmax does not see that. `outputs` asks for the last so many tokens only; all
    tokens stay keys and values.
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(embed_dim))
        self.v_bias = nn.Parameter(torch.zeros(embed_dim))
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(
        self, x: Float[Tensor, "b n d"], outputs: int | None = None
    ) -> Float[Tensor, "b k d"]:
        weight, no_bias = self.qkv.weight, torch.zeros_like(self.v_bias)
        if outputs is None:
            qkv = F.linear(x, weight, torch.cat((self.q_bias, no_bias, self.v_bias)))
            q, k, v = rearrange(qkv, "b n (s h d) -> s b h n d", s=3, h=self.num_heads)
        else:
            query_weight, key_value_weight = weight.tensor_split([len(no_bias)])
            q = F.linear(x[:, -outputs:], query_weight, self.q_bias)
            q = rearrange(q, "b n (h d) -> b h n d", h=self.num_heads)
            kv = F.linear(x, key_value_weight, torch.cat((no_bias, self.v_bias)))
            k, v = rearrange(kv, "b n (s h d) -> s b h n d", s=2, h=self.num_heads)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.proj(rearrange(mixed, "b h n d -> b n (h d)"))


class Block(nn.Module):
    """Attention and MLP, each on the normalised tokens and added to them."""

    def __init__(
        self, embed_dim: int, num_heads: int, mlp_ratio: float, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, eps=NORM_EPS)
        self.attn = Attention(embed_dim, num_heads)
        self.norm2 = nn.LayerNorm(embed_dim, eps=NORM_EPS)
        self.mlp = Mlp(embed_dim, hidden_features=int(embed_dim * mlp_ratio))
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(
        self, x: Float[Tensor, "b n d"], outputs: int | None = None
    ) -> Float[Tensor, "b k d"]:
        kept = x if outputs is None else x[:, -outputs:]
        kept = kept + self.drop_path(self.attn(self.norm1(x), outputs))
        return kept + self.drop_path(self.mlp(self.norm2(kept)))


def build_blocks(
    depth: int, embed_dim: int, num_heads: int, mlp_ratio: float, drop_path: float
) -> nn.ModuleList:
    """A stack whose drop path grows linearly from 0 to `drop_path`."""
    rates = [drop_path * i / max(depth - 1, 1) for i in range(depth)]
    blocks = nn.ModuleList(Block(embed_dim, num_heads, mlp_ratio, rate) for rate in rates)
    blocks.apply(initialise_linear)
    return blocks


def initialise_linear(module: nn.Module) -> None:
    """Xavier-uniform weights, zero biases; `qkv` counts as one matrix (VideoMAE's choice)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def run_block(
    block: nn.Module, x: Float[Tensor, "b n d"], outputs: int | None, recompute: bool
) -> Float[Tensor, "b k d"]:
    """Applies a block; with `recompute` its activations are dropped and made again in backward."""
    if recompute and torch.is_grad_enabled():
        return checkpoint(block, x, outputs, use_reentrant=False)
    return block(x, outputs)
