"""transformers' VideoMAE and ViT: tensor names, and folders that transformers opens."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from encoder.checkpoint.common_tensors import common_tensors, contiguous
from encoder.checkpoint.formats.file_format import FileFormat
from encoder.checkpoint.formats.videomae import VIDEOMAE_MODEL
from encoder.checkpoint.key_map import KeyMap, rename_tensors
from encoder.checkpoint.save_tensors import save_tensors
from encoder.config import EncoderConfig
from encoder.mlp_width import mlp_width

BILINEAR = 2  # of PIL
WEIGHTS_FILE = "model.safetensors"
KEYS = KeyMap(
    title="Hugging Face",
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
    root_free=(("fc_norm.", "fc_norm."),),
)


def to_huggingface(
    tensors: Mapping[str, Tensor], config: EncoderConfig, root: str
) -> dict[str, Tensor]:
    """Tensors as transformers' VideoMAE names them, with the prefix `root`."""
    renamed = rename_tensors(common_tensors(tensors, config, "split"), KEYS)
    return {
        name if name.startswith("fc_norm") else f"{root}{name}": tensor
        for name, tensor in renamed.items()
        if not name.endswith("key.bias")
    }


def write_huggingface(
    path: Path, tensors: Mapping[str, Tensor], config: EncoderConfig, _: Mapping[str, Any]
) -> None:
    """A folder for `VideoMAEModel`, or for `VideoMAEForVideoClassification` (without its
    classifier) where the last LayerNorm is that of the pooled tokens."""
    pooled = config.norm == "pooled"
    root = "videomae." if pooled else ""
    path.mkdir()
    weights = contiguous(to_huggingface(tensors, config, root))
    save_tensors(weights, path / WEIGHTS_FILE, {"format": "pt"})
    name = "VideoMAEForVideoClassification" if pooled else "VideoMAEModel"
    write_json(path / "config.json", {"architectures": [name], **huggingface_config(config)})
    write_json(path / "preprocessor_config.json", preprocessor_config(config))


def huggingface_config(config: EncoderConfig) -> dict[str, Any]:
    """`config.json` of an encoder."""
    is_square = config.image_size[0] == config.image_size[1]
    return {
        "model_type": "videomae",
        "image_size": config.image_size[0] if is_square else list(config.image_size),
        "patch_size": config.patch_size,
        "num_channels": config.channels,
        "num_frames": config.num_frames,
        "tubelet_size": config.tubelet_size,
        "hidden_size": config.embed_dim,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.num_heads,
        "intermediate_size": mlp_width(config.embed_dim, config.mlp_ratio),
        "hidden_act": config.activation,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "layer_norm_eps": config.norm_eps,
        "qkv_bias": True,
        "use_mean_pooling": config.norm == "pooled",
    }


def preprocessor_config(config: EncoderConfig) -> dict[str, Any]:
    """`preprocessor_config.json`: normalisation and size of the input.

    Its programs can crop a square of the shorter side; other frames they can only resize.
    """
    height, width = config.image_size
    is_square = height == width
    return {
        "image_processor_type": "VideoMAEImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": height} if is_square else {"height": height, "width": width},
        "resample": BILINEAR,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(config.mean),
        "image_std": list(config.std),
        "do_center_crop": is_square,
        "crop_size": {"height": height, "width": width},
    }


def processor_line(config: EncoderConfig) -> str:
    """What the processor of `preprocessor_config` does with a frame."""
    height, width = config.image_size
    done = f"resizes the whole frame to {height}x{width}, whatever its proportions"
    if height == width:
        done = f"resizes the shorter side to {height} pixels and crops the central square"
    return f"preprocessor_config.json: {done}"


def write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=1) + "\n")


HUGGINGFACE = FileFormat(KEYS, write_huggingface, {**VIDEOMAE_MODEL, "layer_scale": None})
