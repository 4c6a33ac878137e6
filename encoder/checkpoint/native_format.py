"""This project's own format, which stages hand over, and strict loading into a module."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from encoder.checkpoint.formats.file_format import FileFormat
from encoder.checkpoint.key_map import KeyMap
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.checkpoint.save_tensors import save_tensors
from encoder.config import EncoderConfig


def load_strictly(module: nn.Module, tensors: dict[str, Tensor], source: Path) -> None:
    """Copies tensors into a module, all of them or none.

    Raises CheckpointMismatch that groups missing, unexpected and wrongly shaped tensors.
    """
    expected = dict(module.state_dict())
    missing = sorted(expected.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - expected.keys())
    wrong_shape = [
        f"{name} is {shape_text(tensors[name].shape)}, the model needs {shape_text(tensor.shape)}"
        for name, tensor in expected.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    problems = [f"{len(missing)} tensors are missing ({_grouped(missing)})"] if missing else []
    problems += [f"{len(unexpected)} are unexpected ({_grouped(unexpected)})"] if unexpected else []
    problems += [f"{len(wrong_shape)} have another shape ({wrong_shape[0]})"] if wrong_shape else []
    if problems:
        raise CheckpointMismatch(
            f"{source}: {', '.join(problems)}; set encoder and decoder to the file's size"
        )
    module.load_state_dict(tensors)


def save_encoder(
    path: Path, tensors: Mapping[str, Tensor], config: EncoderConfig, **metadata: Any
) -> None:
    """Writes `encoder.safetensors`: weights without computed positions, and JSON metadata.

    The metadata's entry `encoder` is the configuration with the normalisation of the pixels, so a
    reader needs nothing else. The file is complete or absent: it is renamed after writing.
    """
    entries = {"encoder": config.as_dict(), **metadata}
    text = {key: json.dumps(value) for key, value in entries.items()}
    temporary = path.with_name(path.name + ".tmp")
    save_tensors({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, text)
    temporary.replace(path)


def shape_text(shape: torch.Size) -> str:
    """A shape such as 768x1536."""
    return "x".join(map(str, shape)) or "one number"


def _grouped(names: list[str]) -> str:
    """Names by their first two parts, with counts."""
    groups = Counter(".".join(name.split(".")[:2]) for name in names)
    shown = [f"{group} {count}" for group, count in groups.most_common(4)]
    return ", ".join(shown) + (", ..." if len(groups) > 4 else "")


NATIVE = FileFormat(
    KeyMap(
        title="surgmask",
        embed="embed.weight",
        blocks="blocks.",
        rows=(("embed.", "patch_embed.proj."),),
    ),
    lambda path, tensors, config, metadata: save_encoder(path, tensors, config, **metadata),
)
