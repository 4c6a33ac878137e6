"""Putting weights into modules strictly, and the encoder file that goes from stage to stage."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import EncoderConfig


def load_strictly(module: nn.Module, tensors: dict[str, Tensor], source: Path) -> None:
    """Copies tensors into a module, every one of them or none.

    Raises CheckpointMismatch that groups missing, surplus and wrongly shaped tensors.
    """
    wanted = dict(module.state_dict())
    missing = sorted(wanted.keys() - tensors.keys())
    surplus = sorted(tensors.keys() - wanted.keys())
    wrong = [
        f"{name} is {shape_text(tensors[name].shape)}, the model wants {shape_text(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    parts = [f"{len(missing)} missing ({_grouped(missing)})"] if missing else []
    parts += [f"{len(surplus)} not known ({_grouped(surplus)})"] if surplus else []
    parts += [f"{len(wrong)} of another shape ({wrong[0]})"] if wrong else []
    if parts:
        raise CheckpointMismatch(
            f"{source}: {', '.join(parts)}; set encoder and decoder to the file's size"
        )
    module.load_state_dict(tensors)


def save_encoder(
    path: Path, tensors: dict[str, Tensor], config: EncoderConfig, **metadata: Any
) -> None:
    """Writes `encoder.safetensors`: weights without positions, and JSON entries as metadata.

    The entry `encoder` holds the configuration with mean and deviation of the pixels, so a reader
    needs nothing else. Written aside and renamed: the file is whole or absent.
    """
    entries = {"encoder": config.as_dict(), **metadata}
    text = {key: json.dumps(value) for key, value in entries.items()}
    aside = path.with_name(path.name + ".tmp")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, aside, text)
    aside.replace(path)


def shape_text(shape: torch.Size) -> str:
    """A shape as in 768x1536."""
    return "x".join(map(str, shape)) or "one number"


def _grouped(names: list[str]) -> str:
    """Names by their first two parts with counts: hundreds of keys in a few words."""
    groups = Counter(".".join(name.split(".")[:2]) for name in names)
    shown = [f"{group} {count}" for group, count in groups.most_common(4)]
    return ", ".join(shown) + (", ..." if len(groups) > 4 else "")
