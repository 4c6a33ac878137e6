"""Names of the decoder's tensors in other programs, and their translation both ways."""

from collections.abc import Mapping

from torch import Tensor

from encoder.checkpoint.common_tensors import block_tensors
from encoder.checkpoint.formats import huggingface
from encoder.checkpoint.formats.huggingface import to_huggingface
from encoder.checkpoint.formats.videomae import to_videomae
from encoder.checkpoint.key_map import KeyMap, common_name, rename_tensors
from encoder.checkpoint.parse import block_recipes, position_table
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.checkpoint.tensor_file import TensorFile
from encoder.checkpoint.tensor_recipe import (
    TensorRecipe,
    TensorRecipes,
    copy_tensor,
    flatten_tensor,
)
from encoder.config import EncoderConfig

# The common names are this project's; names inside a block are the same in all parts of a model.
VIDEOMAE = KeyMap(
    title="videomae",
    embed="encoder_to_decoder.weight",
    blocks="decoder.blocks.",
    rows=(("encoder_to_decoder.", "embed."), ("mask_token", "mask_token"), ("decoder.", "")),
)
HF = KeyMap(
    title="hf",
    embed="encoder_to_decoder.weight",
    blocks="decoder.decoder_layers.",
    rows=(
        ("encoder_to_decoder.", "embed."),
        ("mask_token", "mask_token"),
        ("decoder.decoder_layers.", "blocks."),
        ("decoder.", ""),
    ),
    block_rows=huggingface.KEYS.block_rows,
)
MAE_ST = KeyMap(
    title="mae_st",
    embed="decoder_embed.weight",
    blocks="decoder_blocks.",
    rows=(
        ("decoder_embed.", "embed."),
        ("decoder_blocks.", "blocks."),
        ("decoder_norm.", "norm."),
        ("decoder_pred.", "head."),
        ("decoder_cls_token", "class_token.token"),
        ("decoder_pos_embed_class", "class_token.position"),
        ("decoder_pos_embed_spatial", "positions.space"),
        ("decoder_pos_embed_temporal", "positions.time"),
        ("mask_token", "mask_token"),
    ),
)


def decoder_recipes(file: TensorFile, layout: KeyMap) -> TensorRecipes:
    """How to make this project's decoder tensors of those of a file.

    Raises CheckpointMismatch where the file has decoder tensors that the layout does not know.
    """
    tensors, prefixes = file.tensors, tuple(foreign for foreign, _ in layout.rows)
    names = {common_name(n, layout): n for n in tensors if n.startswith(prefixes)}
    unknown = [n for n in tensors if n.startswith("decoder") and n not in names.values()]
    if unknown:  # joint positions of mae_st: the model without them would be another one
        raise CheckpointMismatch(
            f"{file.path}: {unknown[0]} belongs to no known decoder; this variant of "
            f"{layout.title} is not supported"
        )
    width = tensors[names["embed.weight"]].shape[0]
    parts: TensorRecipes = {}
    for name, source in names.items():
        if not name.startswith("blocks."):
            parts[name] = _shaped(name, source)
    depth = 1 + max(int(name.split(".")[1]) for name in names if name.startswith("blocks."))
    for i in range(depth):
        parts |= block_recipes(f"blocks.{i}", names, width)[0]
    return parts


def _shaped(name: str, source: str) -> TensorRecipe:
    if name.startswith("class_token."):
        return flatten_tensor(source)
    return position_table(source) if name.startswith("positions.") else copy_tensor(source)


def to_layout(
    tensors: Mapping[str, Tensor], layout: str, encoder: EncoderConfig
) -> dict[str, Tensor]:
    """Renames and reshapes this project's tensors for the format `videomae` or `hf`."""
    encoder_tensors = _below("encoder.", tensors)
    decoder = _below("decoder.", tensors)
    if layout == "videomae":
        foreign, form = to_videomae(encoder_tensors, encoder), "q_v"
    else:
        foreign, form = to_huggingface(encoder_tensors, encoder, "videomae."), "split"
    blocks = block_tensors(decoder, "blocks", form)
    common = {name: t for name, t in decoder.items() if not name.startswith("blocks.")} | blocks
    named = rename_tensors(common, {"videomae": VIDEOMAE, "hf": HF}[layout])
    return foreign | {name: t for name, t in named.items() if not name.endswith("key.bias")}


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
