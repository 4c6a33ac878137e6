"""timm's VisionTransformer: tensor names, and files for it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from encoder.checkpoint.common_tensors import common_tensors, contiguous
from encoder.checkpoint.formats.file_format import FileFormat
from encoder.checkpoint.key_map import KeyMap, rename_tensors
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.checkpoint.save_tensors import save_tensors
from encoder.config import EncoderConfig
from encoder.pos_embed import computed_positions

LAYER_SCALE = (("ls1.gamma", "scale1"), ("ls2.gamma", "scale2"))
KEYS = KeyMap(
    title="timm",
    embed="patch_embed.proj.weight",
    blocks="blocks.",
    block_rows=(
        ("temporal_norm1.", "time_norm."),
        ("temporal_attn.", "time_attn."),
        ("temporal_fc.", "time_proj."),
        ("gamma_1", "scale1"),
        ("gamma_2", "scale2"),
        *LAYER_SCALE,
    ),
)


def to_timm(tensors: Mapping[str, Tensor], config: EncoderConfig) -> dict[str, Tensor]:
    """Tensors as timm names them; the frame's position is added to those of its patches."""
    common = common_tensors(tensors, config, "fused", image=True)
    time = common.pop("time_embed", torch.zeros(1, 1, config.embed_dim))
    table = common.get("pos_embed")
    if table is None:
        computed = computed_positions(
            config.pos_embed, config.grid, config.embed_dim, config.trained_grid
        )
        of_class_token = torch.zeros(int(config.class_token), config.embed_dim)
        table = torch.cat((of_class_token, computed))[None]
    patches = table[:, int(config.class_token) :] + time
    common["pos_embed"] = torch.cat((table[:, : int(config.class_token)], patches), dim=1)
    if config.pre_norm and common.pop("patch_embed.proj.bias").any():
        raise CheckpointMismatch(
            "--to timm: the encoder has both a pre-norm and a bias of the patch embedding, timm's "
            "has no bias there; use --to own"
        )
    return rename_tensors(common, KEYS._replace(block_rows=LAYER_SCALE))


def write_timm(
    path: Path, tensors: Mapping[str, Tensor], config: EncoderConfig, _: Mapping[str, Any]
) -> None:
    """A safetensors file; the arguments of timm's VisionTransformer are its metadata."""
    metadata = {"timm": json.dumps(timm_arguments(config))}
    save_tensors(contiguous(to_timm(tensors, config)), path, metadata)


def timm_arguments(config: EncoderConfig) -> dict[str, Any]:
    """Arguments of `timm.models.vision_transformer.VisionTransformer` for the same encoder.

    `norm_eps`, `mean` and `std` are not among them: timm's LayerNorms have eps 1e-6 unless its
    `norm_layer` sets another.
    """
    return {
        "img_size": list(config.image_size),
        "patch_size": config.patch_size,
        "in_chans": config.channels,
        "num_classes": 0,
        "global_pool": "avg" if config.pooling == "mean" else "token",
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


TIMM = FileFormat(KEYS, write_timm, {"num_frames": 1, "tubelet_size": 1, "attention": "joint"})
