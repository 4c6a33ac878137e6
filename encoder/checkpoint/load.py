"""Any checkpoint of the field into one encoder, with a report of what became of each tensor."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from encoder.checkpoint.adapt import DEFAULTS, Options, adapt
from encoder.checkpoint.load_report import Report
from encoder.checkpoint.overrides import Told
from encoder.checkpoint.parse import Found, find_encoder
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.checkpoint.tensor_file import TensorFile
from encoder.checkpoint.tensor_recipe import Part
from encoder.config import EncoderConfig
from encoder.init import initialise
from encoder.vit import VideoEncoder


class Loaded(NamedTuple):
    encoder: VideoEncoder
    report: Report


def load_encoder(
    path: Path,
    wanted: EncoderConfig | None = None,
    told: Told | None = None,
    options: Options = DEFAULTS,
) -> Loaded:
    """The encoder of a file, or `wanted` with the weights of that file.

    Without `wanted` it is the encoder that those who trained the file would run. Raises
    CheckpointMismatch, and then nothing is loaded, where the file is not whole or of no known
    family, has values that are not finite, or does not fit the wanted encoder.
    """
    return load_found(find_encoder(path, told), wanted, options)


def load_found(found: Found, wanted: EncoderConfig | None, options: Options = DEFAULTS) -> Loaded:
    """As `load_encoder`, of a file that was looked into already."""
    adapted = adapt(found, wanted or found.config, options)
    with torch.device("meta"):
        encoder = VideoEncoder(adapted.config)
    initialise(encoder, adapted.fresh)
    for name, part in adapted.parts.items():
        owner, _, leaf = name.rpartition(".")
        module = encoder.get_submodule(owner)
        setattr(module, leaf, nn.Parameter(value_of(part, found.file, name)))
    return Loaded(encoder, Report(found, adapted))


def value_of(part: Part, file: TensorFile, name: str) -> Tensor:
    """A part's values as float32 in memory of their own; refuses those that are not finite."""
    made = part.make(*(file.read(source) for source in part.sources))
    value = torch.empty(made.shape).copy_(made)
    if not torch.isfinite(value).all():
        bad = int((~torch.isfinite(value)).sum())
        raise CheckpointMismatch(
            f"{file.path}: {bad} of the {value.numel()} values of {' + '.join(part.sources)} are "
            f"not finite; it would become {name}, take an earlier checkpoint"
        )
    return value
