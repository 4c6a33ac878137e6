"""The unified models of SurgVISTA's finetuning: files for its program, with timm's names."""

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


def to_unified(
    tensors: Mapping[str, Tensor], config: EncoderConfig, qkv_format: str
) -> dict[str, Tensor]:
    """Tensors as the unified models name them.

    Raises ValueError where `qkv_format` stores no biases and the encoder has some.
    """
    image = config.tubelet_size == 1
    return rename_tensors(common_tensors(tensors, config, qkv_format, image=image), KEYS)


def write_unified(
    path: Path, tensors: Mapping[str, Tensor], config: EncoderConfig, _: Mapping[str, Any]
) -> None:
    """A torch file with the tensors under `model`, with the attention of the published scripts."""
    qkv_format = "q_v" if config.tubelet_size > 1 else "fused"
    torch.save({"model": contiguous(to_unified(tensors, config, qkv_format))}, path)


UNIFIED = FileFormat(
    KEYS, write_unified, {"activation": "gelu", "norm_eps": 1e-6, "trained_grid": None}
)
