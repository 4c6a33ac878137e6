"""The pre-norm transformer block: attention and MLP."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.backends.cuda import math_sdp_enabled
from torch.utils.checkpoint import checkpoint

from encoder.mlp_width import mlp_width

NORM_EPS = 1e-6


class QuickGELU(nn.Module):
    """The approximation of GELU in OpenAI's CLIP (Hendrycks and Gimpel, 2016)."""

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "quick_gelu": QuickGELU}


class DropPath(nn.Module):
    """Stochastic depth (Huang et al., ECCV 2016): drops a residual branch per sample."""

    keep: Tensor  # the share of branches that are kept

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate, self._drops = rate, rate > 0
        # a tensor, since code is compiled for each value of a number
        self.register_buffer("keep", torch.tensor(1 - rate, device="cpu"), persistent=False)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        if not (self._drops and self.training):
            return x
        kept = torch.rand(len(x), 1, 1, device=x.device) < self.keep
        return x * (kept / self.keep).to(x.dtype)


def scaled_dot_product(
    q: Float[Tensor, "b h k e"], k: Float[Tensor, "b h n e"], v: Float[Tensor, "b h n e"]
) -> Float[Tensor, "b h k e"]:
    """softmax(q k / sqrt(e)) v, by torch's fused kernel for the device.

    On a CPU in bfloat16 that kernel is slower than plain matrix products, which need memory for
    all weights. Those are used there, unless `torch.nn.attention.sdpa_kernel` excludes MATH.
    """
    if q.device.type != "cpu" or q.dtype != torch.bfloat16 or not math_sdp_enabled():
        return F.scaled_dot_product_attention(q, k, v)
    heads = q.shape[:2]
    q, k, v = (x.flatten(0, 1) for x in (q, k, v))
    # baddbmm scales in the same pass
    scores = torch.baddbmm(q.new_zeros(1, 1, 1), q, k.mT, beta=0, alpha=q.shape[-1] ** -0.5)
    return (scores.softmax(-1) @ v).unflatten(0, heads)


class Attention(nn.Module):
    """Joint self-attention of all tokens.

    Queries and values have a bias, keys do not: it would add the same number to all logits of a
    query, which the softmax cancels. With `outputs` only that many last tokens are computed; all
    tokens remain keys and values.
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.q_bias = nn.Parameter(torch.empty(embed_dim))
        self.v_bias = nn.Parameter(torch.empty(embed_dim))
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.q_bias)
        nn.init.zeros_(self.v_bias)

    def forward(
        self, x: Float[Tensor, "b n d"], outputs: int | None = None
    ) -> Float[Tensor, "b k d"]:
        q, k, v = self._queries_keys_values(x, outputs)
        mixed = scaled_dot_product(q, k, v)
        return self.proj(rearrange(mixed, "b h n d -> b n (h d)"))

    def weights(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b h n n"]:
        """Attention weights per head, of queries (rows) to keys (columns); rows sum to 1."""
        q, k, _ = self._queries_keys_values(x, None)
        return (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1)

    def _queries_keys_values(
        self, x: Float[Tensor, "b n d"], outputs: int | None
    ) -> tuple[Float[Tensor, "b h k e"], Float[Tensor, "b h n e"], Float[Tensor, "b h n e"]]:
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
        return q, k, v


class Block(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)).

    `layer_scale`: initial value of LayerScale's factors, one per channel and branch (CaiT, Touvron
    et al., ICCV 2021).
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        mlp_ratio: float,
        drop_path: float = 0.0,
        eps: float = NORM_EPS,
        activation: str = "gelu",
        layer_scale: float | None = None,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, eps=eps)
        self.attn = Attention(embed_dim, num_heads)
        self.norm2 = nn.LayerNorm(embed_dim, eps=eps)
        hidden = mlp_width(embed_dim, mlp_ratio)
        layers = (
            ("fc1", nn.Linear(embed_dim, hidden)),
            ("act", ACTIVATIONS[activation]()),
            ("fc2", nn.Linear(hidden, embed_dim)),
        )
        self.mlp = nn.Sequential(OrderedDict(layers))
        self.drop_path = DropPath(drop_path)
        self.layer_scale = layer_scale
        self.scale1, self.scale2 = (
            nn.Parameter(torch.empty(embed_dim)) if layer_scale else None for _ in range(2)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for scale in (self.scale1, self.scale2):
            if scale is not None and self.layer_scale is not None:
                nn.init.constant_(scale, self.layer_scale)

    def forward(
        self, x: Float[Tensor, "b n d"], outputs: int | None = None
    ) -> Float[Tensor, "b k d"]:
        y = x if outputs is None else x[:, -outputs:]
        y = y + self.drop_path(scaled(self.attn(self.norm1(x), outputs), self.scale1))
        return y + self.drop_path(scaled(self.mlp(self.norm2(y)), self.scale2))

    def attention(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b h n n"]:
        """The attention weights of this block for its input x."""
        return self.attn.weights(self.norm1(x))


def scaled(x: Float[Tensor, "b n d"], scale: Float[Tensor, " d"] | None) -> Float[Tensor, "b n d"]:
    return x if scale is None else x * scale


def drop_path_rates(drop_path: float, depth: int) -> Iterator[float]:
    """Drop path rate of each block, rising linearly from 0."""
    return (drop_path * i / max(depth - 1, 1) for i in range(depth))


def block_stack(blocks: Iterable[nn.Module]) -> nn.ModuleList:
    """Blocks, initialised as in VideoMAE."""
    stack = nn.ModuleList(blocks)
    stack.apply(initialise_linear)
    return stack


def build_blocks(
    depth: int, embed_dim: int, num_heads: int, mlp_ratio: float, drop_path: float
) -> nn.ModuleList:
    """Blocks of joint attention whose drop path rises linearly from 0 to `drop_path`."""
    rates = drop_path_rates(drop_path, depth)
    return block_stack(Block(embed_dim, num_heads, mlp_ratio, rate) for rate in rates)


def initialise_linear(module: nn.Module) -> None:
    """Xavier-uniform weights, zero biases; `qkv` is one matrix, as in VideoMAE."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def compile_blocks(model: nn.Module) -> None:
    """Compiles every block of a model in place, for static shapes; tensor names do not change.

    Equal blocks share compiled code: with and without drop path, all outputs or some.
    """
    for block in _blocks(model):
        block.compile(dynamic=False)


@contextmanager
def uncompiled(model: nn.Module) -> Iterator[None]:
    """Runs blocks as they are while the body runs: evaluation has shapes of its own.

    Otherwise each of them would be compiled, until the limit of forms is reached.
    """
    if not any(block._compiled_call_impl for block in _blocks(model)):
        yield  # the import of the compiler takes seconds
        return
    with torch.compiler.set_stance("force_eager"):
        yield


def _blocks(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, Block)]


def run_block(
    block: nn.Module, x: Float[Tensor, "b n d"], outputs: int | None, activation_checkpointing: bool
) -> Float[Tensor, "b k d"]:
    """Applies a block; with checkpointing its activations are recomputed in the backward pass."""
    if activation_checkpointing and torch.is_grad_enabled():
        return checkpoint(block, x, outputs, use_reentrant=False)
    return block(x, outputs)
