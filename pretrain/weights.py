"""Weights of a whole autoencoder, read and written in this project's and others' layouts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

from encoder.config import EncoderConfig
from encoder.files import CheckpointMismatch, read_tensors
from encoder.layouts import (
    HUGGINGFACE_BLOCK,
    HUGGINGFACE_OLD_BLOCK,
    Rows,
    fuse_attention,
    kernel_to_matrix,
    matrix_to_kernel,
    rename,
    rename_in_block,
    reverse,
    split_attention,
)
from launch.checkpoints.folder import CHECKPOINTS_FOLDER, newest_whole
from launch.checkpoints.restoring import read_weights
from pretrain.config import DecoderConfig, PretrainConfig

EMBED = "encoder.embed.weight"


class Layout(NamedTuple):
    """How a family of files names an autoencoder's tensors."""

    sign: str  # the name of the patch embedding, by which a file of the family is known
    rows: Rows
    block_rows: Rows = ()
    old_block_rows: Rows = ()
    splits_attention: bool = False


LAYOUTS = {
    "own": Layout(sign=EMBED, rows=()),
    "videomae": Layout(
        sign="encoder.patch_embed.proj.weight",
        rows=(
            ("encoder.embed.", "encoder.patch_embed.proj."),
            ("decoder.embed.", "encoder_to_decoder."),
            ("decoder.mask_token", "mask_token"),
        ),
    ),
    "hf": Layout(
        sign="videomae.embeddings.patch_embeddings.projection.weight",
        rows=(
            ("encoder.embed.", "videomae.embeddings.patch_embeddings.projection."),
            ("encoder.blocks.", "videomae.encoder.layer."),
            ("encoder.norm.", "videomae.layernorm."),
            ("decoder.blocks.", "decoder.decoder_layers."),
            ("decoder.embed.", "encoder_to_decoder."),
            ("decoder.mask_token", "mask_token"),
        ),
        block_rows=HUGGINGFACE_BLOCK,
        old_block_rows=HUGGINGFACE_OLD_BLOCK,
        splits_attention=True,
    ),
}


def read_autoencoder(path: Path) -> dict[str, Tensor]:
    """Tensors under this project's names; see `read_with_layout`."""
    return read_with_layout(path)[1]


def read_with_layout(path: Path) -> tuple[str, dict[str, Tensor]]:
    """The layout of a file, recognised by its names, and tensors under this project's names.

    A run folder gives the weights of its newest whole checkpoint. Raises CheckpointMismatch where
    no row of LAYOUTS fits the names.
    """
    if (path / CHECKPOINTS_FOLDER).is_dir():
        return "own", read_weights(newest_whole(path / CHECKPOINTS_FOLDER))
    tensors = read_tensors(path)
    for name, layout in LAYOUTS.items():
        if layout.sign in tensors:
            return name, from_layout(tensors, layout)
    raise CheckpointMismatch(
        f"{path}: no autoencoder of a known layout ({', '.join(LAYOUTS)}); "
        f"its tensors are named like {next(iter(tensors))}"
    )


def from_layout(tensors: dict[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """Foreign names and shapes to this project's."""
    if layout.splits_attention:
        tensors = fuse_attention(tensors)
    own: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        inner = rename_in_block(name, reverse((*layout.block_rows, *layout.old_block_rows)))
        own[rename(inner, reverse(layout.rows))] = tensor
    if own[EMBED].ndim == 5:
        own[EMBED] = kernel_to_matrix(own[EMBED])
    return own


def to_layout(
    tensors: dict[str, Tensor], layout: Layout, encoder: EncoderConfig
) -> dict[str, Tensor]:
    """This project's names and shapes to a foreign layout's."""
    if not layout.rows:
        return tensors
    kernel = matrix_to_kernel(tensors[EMBED], encoder.tubelet_shape)
    foreign = {
        rename_in_block(rename(name, layout.rows), layout.block_rows): tensor
        for name, tensor in {**tensors, EMBED: kernel}.items()
    }
    return split_attention(foreign) if layout.splits_attention else foreign


def write_own(path: Path, tensors: dict[str, Tensor], config: PretrainConfig) -> None:
    """One `.safetensors` file with the configuration of both halves in its metadata."""
    metadata = {"encoder": json.dumps(config.encoder.as_dict())}
    save_file(_contiguous(tensors), path, metadata)


def write_videomae(path: Path, tensors: dict[str, Tensor], config: PretrainConfig) -> None:
    """A torch file as VideoMAE's programs read it: the tensors under `model`."""
    foreign = to_layout(tensors, LAYOUTS["videomae"], config.encoder)
    torch.save({"model": _contiguous(foreign)}, path)


def write_huggingface(path: Path, tensors: dict[str, Tensor], config: PretrainConfig) -> None:
    """A folder that `VideoMAEForPreTraining.from_pretrained` opens.

    That class fixes the decoder's last norm at eps 1e-5, where this project has 1e-6.
    """
    foreign = to_layout(tensors, LAYOUTS["hf"], config.encoder)
    path.mkdir(parents=True, exist_ok=True)
    save_file(_contiguous(foreign), path / "model.safetensors", {"format": "pt"})
    settings = huggingface_config(config.encoder, config.decoder, config.target.kind)
    (path / "config.json").write_text(json.dumps(settings, indent=1) + "\n")


def huggingface_config(
    encoder: EncoderConfig, decoder: DecoderConfig, target: str
) -> dict[str, Any]:
    """`config.json` of the same model; raises CheckpointMismatch where that cannot say it."""
    rows, columns = encoder.image_size
    if rows != columns:
        raise CheckpointMismatch(
            f"encoder.image_size {rows}x{columns}: the Hugging Face layout knows square clips "
            "only; export with --layout own or videomae"
        )
    return {
        "architectures": ["VideoMAEForPreTraining"],
        "model_type": "videomae",
        "image_size": rows,
        "patch_size": encoder.patch,
        "num_channels": encoder.channels,
        "num_frames": encoder.frames,
        "tubelet_size": encoder.tubelet,
        "hidden_size": encoder.embed_dim,
        "num_hidden_layers": encoder.depth,
        "num_attention_heads": encoder.num_heads,
        "intermediate_size": int(encoder.embed_dim * encoder.mlp_ratio),
        "decoder_hidden_size": decoder.embed_dim,
        "decoder_num_hidden_layers": decoder.depth,
        "decoder_num_attention_heads": decoder.num_heads,
        "decoder_intermediate_size": int(decoder.embed_dim * decoder.mlp_ratio),
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "layer_norm_eps": 1e-6,
        "qkv_bias": True,
        "use_mean_pooling": False,
        "norm_pix_loss": target == "normalised_pixels",
    }


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    # views of one tensor, as split attention gives, cannot be written
    return {
        name: tensor.clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }


WRITERS: dict[str, Callable[[Path, dict[str, Tensor], PretrainConfig], None]] = {
    "own": write_own,
    "videomae": write_videomae,
    "hf": write_huggingface,
}
