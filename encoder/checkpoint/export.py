"""Encoder files for other programs, and this project's own, from any known file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from encoder.checkpoint.export_formats import (
    require_holds,
    to_huggingface,
    to_timm,
    to_unified,
    to_videomae,
)
from encoder.checkpoint.native_format import save_encoder
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import EncoderConfig

Tensors = dict[str, Tensor]
WEIGHTS_FILE = "model.safetensors"
OWN = "own"


def write_videomae(path: Path, tensors: Tensors, config: EncoderConfig) -> None:
    """A torch file as VideoMAE's programs read it: the tensors under `model`."""
    torch.save({"model": contiguous(to_videomae(tensors, config))}, path)


def write_huggingface(path: Path, tensors: Tensors, config: EncoderConfig) -> None:
    """A folder that transformers opens: `VideoMAEModel`, or `VideoMAEForVideoClassification`
    without its classifier where pooled tokens are normalised."""
    pooled = config.norm == "pooled"
    root = "videomae." if pooled else ""
    path.mkdir()
    save_file(
        contiguous(to_huggingface(tensors, config, root)), path / WEIGHTS_FILE, {"format": "pt"}
    )
    name = "VideoMAEForVideoClassification" if pooled else "VideoMAEModel"
    write_json(path / "config.json", {"architectures": [name], **huggingface_config(config)})
    write_json(path / "preprocessor_config.json", preprocessor_config(config))


def write_timm(path: Path, tensors: Tensors, config: EncoderConfig) -> None:
    """A safetensors file for timm's VisionTransformer, whose arguments are its metadata."""
    metadata = {"timm": json.dumps(timm_arguments(config))}
    save_file(contiguous(to_timm(tensors, config)), path, metadata)


def write_unified(path: Path, tensors: Tensors, config: EncoderConfig) -> None:
    """A torch file as upstream's unified models read it, attention as their scripts ask for it."""
    form = "q_v" if config.tubelet_size > 1 else "fused"
    torch.save({"model": contiguous(to_unified(tensors, config, form))}, path)


def huggingface_config(config: EncoderConfig) -> dict[str, Any]:
    """`config.json` of the same encoder."""
    return {
        "model_type": "videomae",
        "image_size": config.image_size[0],
        "patch_size": config.patch_size,
        "num_channels": config.channels,
        "num_frames": config.num_frames,
        "tubelet_size": config.tubelet_size,
        "hidden_size": config.embed_dim,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.num_heads,
        "intermediate_size": round(config.embed_dim * config.mlp_ratio),
        "hidden_act": config.activation,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "layer_norm_eps": config.norm_eps,
        "qkv_bias": True,
        "use_mean_pooling": config.norm == "pooled",
    }


def preprocessor_config(config: EncoderConfig) -> dict[str, Any]:
    """`preprocessor_config.json`: the pixels that the encoder wants."""
    height, width = config.image_size
    return {
        "image_processor_type": "VideoMAEImageProcessor",
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(config.mean),
        "image_std": list(config.std),
        "do_center_crop": True,
        "crop_size": {"height": height, "width": width},
    }


def timm_arguments(config: EncoderConfig) -> dict[str, Any]:
    """Arguments of `timm.models.vision_transformer.VisionTransformer` for the same encoder.

    Its LayerNorms are at eps 1e-6 unless `norm_layer` says otherwise.
    """
    mean = config.pooling == "mean"
    return {
        "img_size": list(config.image_size),
        "patch_size": config.patch_size,
        "in_chans": config.channels,
        "num_classes": 0,
        "global_pool": "avg" if mean else "token",
        "embed_dim": config.embed_dim,
        "depth": config.depth,
        "num_heads": config.num_heads,
        "mlp_ratio": config.mlp_ratio,
        "class_token": config.class_token,
        "pre_norm": config.pre_norm,
        "fc_norm": config.norm == "pooled",
        "final_norm": True,
        "init_values": config.layer_scale,
        "act_layer": config.activation,
        "norm_eps": config.norm_eps,
        "mean": list(config.mean),
        "std": list(config.std),
    }


WRITERS: dict[str, Callable[[Path, Tensors, EncoderConfig], None]] = {
    "videomae": write_videomae,
    "hf": write_huggingface,
    "timm": write_timm,
    "unified": write_unified,
}


def write_encoder(
    path: Path, tensors: Tensors, config: EncoderConfig, layout: str, metadata: dict[str, Any]
) -> None:
    """Writes a file (a folder for Hugging Face) that is whole or absent.

    `metadata` goes into this project's own file, which alone can hold it.
    Raises CheckpointMismatch where the layout cannot hold the encoder, or `path` exists.
    """
    require_holds(layout, config)
    if path.exists():
        raise CheckpointMismatch(f"{path}: exists already; give another name")
    if layout == OWN:
        save_encoder(path, tensors, config, **metadata)
        return
    aside = path.with_name(path.name + ".tmp")
    if aside.is_dir():
        shutil.rmtree(aside)
    WRITERS[layout](aside, tensors, config)
    aside.replace(path)


def write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=1) + "\n")


def contiguous(tensors: Tensors) -> Tensors:
    """Copies that can be written: views of one tensor, as split attention gives, cannot."""
    return {
        name: tensor.detach().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
