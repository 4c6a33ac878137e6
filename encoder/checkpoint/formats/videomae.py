"""VideoMAE and VideoMAE V2: files for their programs, with timm's names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from encoder.checkpoint.common_tensors import common_tensors, contiguous
from encoder.checkpoint.formats.file_format import FileFormat
from encoder.checkpoint.formats.timm import KEYS
from encoder.checkpoint.key_map import rename_tensors
from encoder.config import EncoderConfig
from encoder.normalisation import IMAGENET

VIDEOMAE_MODEL: dict[str, Any] = {
    "pos_embed": "sinusoid",
    "trained_grid": None,
    "class_token": False,
    "pre_norm": False,
    "attention": "joint",
}


def to_videomae(tensors: Mapping[str, Tensor], config: EncoderConfig) -> dict[str, Tensor]:
    """Tensors as VideoMAE names them in pretraining, or in finetuning where the last LayerNorm is
    that of the pooled tokens."""
    common = rename_tensors(common_tensors(tensors, config, "q_v"), KEYS)
    prefix = "" if config.norm == "pooled" else "encoder."
    return {prefix + name: tensor for name, tensor in common.items()}


def write_videomae(
    path: Path, tensors: Mapping[str, Tensor], config: EncoderConfig, _: Mapping[str, Any]
) -> None:
    """A torch file with the tensors under `model`."""
    torch.save({"model": contiguous(to_videomae(tensors, config))}, path)


VIDEOMAE = FileFormat(
    KEYS,
    write_videomae,
    {
        **VIDEOMAE_MODEL,
        "activation": "gelu",
        "norm_eps": 1e-6,
        "mean": IMAGENET.mean,
        "std": IMAGENET.std,
    },
)
