"""Recorded results of the published programs: in this folder, and the whole collection."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from encoder.vit import Features, VideoEncoder

LOCAL = Path(__file__).parent / "fixtures"
ALL = Path(__file__).parents[4] / "shared/fixtures/finetune"


def cases(folder: str, pattern: str) -> list[Path]:
    """JSON files of a folder, from the whole collection where it is available."""
    paths = {path.name: path for path in sorted((LOCAL / folder).glob(pattern))}
    paths |= {path.name: path for path in sorted((ALL / folder).glob(pattern))}
    return list(paths.values())


def names(paths: list[Path]) -> Iterator[str]:
    return (path.stem.removeprefix("public_") for path in paths)


def load(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    return json.loads(path.read_text()), load_file(path.with_suffix(".safetensors"))


def features_of(encoder: VideoEncoder, pixels: Tensor, **options: Any) -> Features:
    """Features of normalised pixels [b c t h w], the input of the published programs."""
    mean, std = torch.tensor(encoder.config.mean), torch.tensor(encoder.config.std)
    with torch.no_grad():
        return encoder.eval()(pixels.permute(0, 2, 3, 4, 1) * std + mean, **options)


def hollow_file(path: Path, shapes: Mapping[str, Sequence[int]]) -> Path:
    """A safetensors file of zeros that takes no space on the disk, however large it is."""
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(file.tell() + end)
    return path
