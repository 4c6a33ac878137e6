"""Weights of a whole autoencoder, read and written in this project's and others' layouts."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

from encoder.checkpoint.common_tensors import block_tensors, contiguous
from encoder.checkpoint.formats import huggingface
from encoder.checkpoint.formats.huggingface import WEIGHTS_FILE, to_huggingface, write_json
from encoder.checkpoint.formats.registry import require_supported
from encoder.checkpoint.formats.videomae import to_videomae
from encoder.checkpoint.key_map import KeyMap, common_name, find_roots, rename_tensors
from encoder.checkpoint.load import make_tensor
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.parse import SourceEncoder, block_recipes, position_table, read_source
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.checkpoint.tensor_file import TensorFile
from encoder.checkpoint.tensor_recipe import (
    TensorRecipe,
    TensorRecipes,
    copy_tensor,
    flatten_tensor,
)
from encoder.config import EncoderConfig
from launch.checkpoint.loader import read_weights
from launch.checkpoint.store import CHECKPOINTS_FOLDER, newest_valid_checkpoint
from pretrain.checkpoint.infer_config import metadata_of
from pretrain.config import DecoderConfig, PretrainConfig

OWN = "own"
# How others name the decoder; the common names are this project's, blocks as everywhere.
DECODERS = (
    KeyMap(
        title="videomae",
        embed="encoder_to_decoder.weight",
        blocks="decoder.blocks.",
        rows=(("encoder_to_decoder.", "embed."), ("mask_token", "mask_token"), ("decoder.", "")),
    ),
    KeyMap(
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
    ),
    KeyMap(
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
    ),
)


class Autoencoder(NamedTuple):
    """Tensors under this project's names, and whose layout the file has."""

    layout: str
    tensors: dict[str, Tensor]


def read_autoencoder(path: Path, told: CheckpointOverrides | None = None) -> Autoencoder:
    """An autoencoder of a file, whose family is recognised by its names, or of a run folder.

    A run folder gives the weights of its newest whole checkpoint. Raises CheckpointMismatch where
    no encoder or no decoder is known in it.
    """
    if (path / CHECKPOINTS_FOLDER).is_dir():
        return Autoencoder(OWN, read_weights(newest_valid_checkpoint(path / CHECKPOINTS_FOLDER)))
    return autoencoder_of(read_source(path, told))


def autoencoder_of(found: SourceEncoder) -> Autoencoder:
    """As `read_autoencoder`, of a file that was looked into."""
    file = found.file
    parts = {f"encoder.{name}": part for name, part in found.recipes.items()}
    layout, decoder = _decoder(file)
    parts |= {f"decoder.{name}": part for name, part in decoder.items()}
    return Autoencoder(
        layout, {name: make_tensor(part, file, name) for name, part in parts.items()}
    )


def _decoder(file: TensorFile) -> tuple[str, TensorRecipes]:
    own = {
        name.removeprefix("decoder."): copy_tensor(name)
        for name in file.tensors
        if name.startswith("decoder.")
    }
    if "embed.weight" in own and "mask_token" in own:
        return OWN, own
    for layout in DECODERS:
        if "" in find_roots(file.tensors, layout):
            return layout.title, _foreign_decoder(file, layout)
    raise CheckpointMismatch(
        f"{file.path}: an encoder without a decoder of a known layout "
        f"({', '.join((OWN, *(layout.title for layout in DECODERS)))}); give a pretraining file"
    )


def _foreign_decoder(file: TensorFile, layout: KeyMap) -> TensorRecipes:
    tensors, prefixes = file.tensors, tuple(foreign for foreign, _ in layout.rows)
    names = {common_name(n, layout): n for n in tensors if n.startswith(prefixes)}
    beside = [n for n in tensors if n.startswith("decoder") and n not in names.values()]
    if beside:  # joint positions of mae_st, which would be left out
        raise CheckpointMismatch(
            f"{file.path}: {beside[0]} is of no decoder that is known here; give a file of "
            "another decoder"
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
    """This project's names and shapes to those of `videomae` or `hf`."""
    inside = _below("encoder.", tensors)
    decoder = _below("decoder.", tensors)
    if layout == "videomae":
        foreign, form = to_videomae(inside, encoder), "q_v"
    else:
        foreign, form = to_huggingface(inside, encoder, "videomae."), "split"
    blocks = block_tensors(decoder, "blocks", form)
    common = {name: t for name, t in decoder.items() if not name.startswith("blocks.")} | blocks
    rows = next(row for row in DECODERS if row.title == layout)
    named = rename_tensors(common, rows)
    return foreign | {name: t for name, t in named.items() if not name.endswith("key.bias")}


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def write_own(path: Path, tensors: dict[str, Tensor], config: PretrainConfig) -> None:
    """One `.safetensors` file with what it is and predicts in its metadata."""
    metadata = metadata_of(config.encoder, config.decoder, config.target)
    save_file(contiguous(tensors), path, metadata)


def write_videomae(path: Path, tensors: dict[str, Tensor], config: PretrainConfig) -> None:
    """A torch file as VideoMAE's programs read it: the tensors under `model`."""
    _require_holds("videomae", config)
    torch.save({"model": contiguous(to_layout(tensors, "videomae", config.encoder))}, path)


def write_huggingface(path: Path, tensors: dict[str, Tensor], config: PretrainConfig) -> None:
    """A folder that `VideoMAEForPreTraining.from_pretrained` opens.

    That class fixes the decoder's last norm at eps 1e-5, where this project has 1e-6.
    """
    _require_holds("hf", config)
    path.mkdir(parents=True, exist_ok=True)
    save_file(
        contiguous(to_layout(tensors, "hf", config.encoder)), path / WEIGHTS_FILE, {"format": "pt"}
    )
    settings = huggingface_config(config.encoder, config.decoder, config.target.kind)
    write_json(path / "config.json", settings)


def _require_holds(layout: str, config: PretrainConfig) -> None:
    require_supported(layout, config.encoder)
    decoder = config.decoder
    if decoder.class_token or decoder.embed_bias or decoder.pos_embed != "sinusoid":
        raise CheckpointMismatch(
            f"--layout {layout}: a decoder with class token, embedding bias or learned positions "
            "cannot be written so; use --layout own"
        )


def huggingface_config(
    encoder: EncoderConfig, decoder: DecoderConfig, target: str
) -> dict[str, Any]:
    """`config.json` of the same model."""
    return {
        "architectures": ["VideoMAEForPreTraining"],
        **huggingface.huggingface_config(encoder),
        "decoder_hidden_size": decoder.embed_dim,
        "decoder_num_hidden_layers": decoder.depth,
        "decoder_num_attention_heads": decoder.num_heads,
        "decoder_intermediate_size": round(decoder.embed_dim * decoder.mlp_ratio),
        "norm_pix_loss": target == "normalised_pixels",
    }


WRITERS: dict[str, Callable[[Path, dict[str, Tensor], PretrainConfig], None]] = {
    OWN: write_own,
    "videomae": write_videomae,
    "hf": write_huggingface,
}
