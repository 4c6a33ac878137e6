"""How the programs of the field name the parts of one and the same transformer.

Every layout is told as renaming rows to common names, which are those of timm and VideoMAE:
`patch_embed.proj`, `cls_token`, `pos_embed`, `blocks.3.attn.proj` and so on.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

Rows = Sequence[tuple[str, str]]
"""(foreign prefix, common prefix); the first row that fits a name renames it."""

T = TypeVar("T")


class Layout(NamedTuple):
    """Names of one program; everything is relative to the root under which the encoder lies."""

    name: str
    embed: str  # what turns pixels into tokens, by which the root is found
    blocks: str  # with what the names of blocks begin
    rows: Rows = ()
    block_rows: Rows = ()  # of what follows a block's number
    outside: Rows = ()  # of names that do not lie under the root


TIMM = Layout(
    name="timm",
    embed="patch_embed.proj.weight",
    blocks="blocks.",
    block_rows=(
        ("temporal_norm1.", "time_norm."),
        ("temporal_attn.", "time_attn."),
        ("temporal_fc.", "time_proj."),
        ("gamma_1", "scale1"),
        ("gamma_2", "scale2"),
        ("ls1.gamma", "scale1"),
        ("ls2.gamma", "scale2"),
    ),
)
OPENCLIP = Layout(
    name="open_clip",
    embed="conv1.weight",
    blocks="transformer.resblocks.",
    rows=(
        ("conv1.", "patch_embed.proj."),
        ("class_embedding", "cls_token"),
        ("positional_embedding", "pos_embed"),
        ("ln_pre.", "norm_pre."),
        ("ln_post.", "norm."),
        ("transformer.resblocks.", "blocks."),
    ),
    block_rows=(
        ("ln_1.", "norm1."),
        ("ln_2.", "norm2."),
        ("attn.in_proj_weight", "attn.qkv.weight"),
        ("attn.in_proj_bias", "attn.qkv.bias"),
        ("attn.out_proj.", "attn.proj."),
        ("mlp.c_fc.", "mlp.fc1."),
        ("mlp.c_proj.", "mlp.fc2."),
    ),
)
HUGGINGFACE = Layout(
    name="Hugging Face",
    embed="embeddings.patch_embeddings.projection.weight",
    blocks="encoder.layer.",
    rows=(
        ("embeddings.patch_embeddings.projection.", "patch_embed.proj."),
        ("embeddings.cls_token", "cls_token"),
        ("embeddings.position_embeddings", "pos_embed"),
        ("embeddings.mask_token", "mask_token"),
        ("encoder.layer.", "blocks."),
        ("layernorm.", "norm."),
    ),
    block_rows=(
        ("layernorm_before.", "norm1."),
        ("layernorm_after.", "norm2."),
        ("attention.attention.query.", "attn.q."),
        ("attention.attention.key.", "attn.k."),
        ("attention.attention.value.", "attn.v."),
        ("attention.attention.q_bias", "attn.q_bias"),  # transformers before version 5
        ("attention.attention.v_bias", "attn.v_bias"),
        ("attention.output.dense.", "attn.proj."),
        ("intermediate.dense.", "mlp.fc1."),
        ("output.dense.", "mlp.fc2."),
    ),
    outside=(("fc_norm.", "fc_norm."),),
)
HUGGINGFACE_CLIP = Layout(
    name="Hugging Face CLIP",
    embed="embeddings.patch_embedding.weight",
    blocks="encoder.layers.",
    rows=(
        ("embeddings.patch_embedding.", "patch_embed.proj."),
        ("embeddings.class_embedding", "cls_token"),
        ("embeddings.position_embedding.weight", "pos_embed"),
        ("pre_layrnorm.", "norm_pre."),  # spelt so
        ("post_layernorm.", "norm."),
        ("encoder.layers.", "blocks."),
    ),
    block_rows=(
        ("layer_norm1.", "norm1."),
        ("layer_norm2.", "norm2."),
        ("self_attn.q_proj.", "attn.q."),
        ("self_attn.k_proj.", "attn.k."),
        ("self_attn.v_proj.", "attn.v."),
        ("self_attn.out_proj.", "attn.proj."),
    ),
)
MMACTION = Layout(
    name="MMAction2",
    embed="patch_embed.projection.weight",
    blocks="blocks.",
    rows=(("patch_embed.projection.", "patch_embed.proj."),),
    block_rows=(("mlp.layers.0.0.", "mlp.fc1."), ("mlp.layers.1.", "mlp.fc2.")),
)
OWN = Layout(
    name="this project",
    embed="embed.weight",
    blocks="blocks.",
    rows=(("embed.", "patch_embed.proj."),),
)
LAYOUTS = (OWN, TIMM, HUGGINGFACE, HUGGINGFACE_CLIP, OPENCLIP, MMACTION)

IN_BLOCK = re.compile(r"^(blocks\.\d+\.)(.+)$")


def rename(name: str, rows: Rows) -> str:
    """The name by the first row whose left side it starts with; itself where there is none."""
    for left, right in rows:
        if name.startswith(left):
            return right + name[len(left) :]
    return name


def reverse(rows: Rows) -> Rows:
    return [(right, left) for left, right in rows]


def common_name(name: str, layout: Layout) -> str:
    """The common name of a foreign one, both without the root."""
    name = rename(name, layout.rows)
    match = IN_BLOCK.match(name)
    return match[1] + rename(match[2], layout.block_rows) if match else name


def foreign_names(tensors: Mapping[str, T], layout: Layout) -> dict[str, T]:
    """Tensors under common names as the layout names them."""
    named = {}
    for name, tensor in tensors.items():
        match = IN_BLOCK.match(name)
        inner = match[1] + rename(match[2], reverse(layout.block_rows)) if match else name
        named[rename(inner, reverse(layout.rows))] = tensor
    return named


def find_roots(names: Mapping[str, T], layout: Layout) -> list[str]:
    """Prefixes under which a file holds an encoder of this layout."""
    roots = [name.removesuffix(layout.embed) for name in names if name.endswith(layout.embed)]
    return [
        root
        for root in roots
        if (not root or root.endswith("."))
        and any(name.startswith(root + layout.blocks) for name in names)
    ]
