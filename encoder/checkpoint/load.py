"""Any checkpoint of the field into one encoder, with a report of what became of each tensor."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from encoder.checkpoint.adapt import DEFAULTS, LoadOptions, adapt
from encoder.checkpoint.load_report import LoadReport
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.parse import SourceEncoder, find_source
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.checkpoint.tensor_file import TensorFile
from encoder.checkpoint.tensor_recipe import TensorRecipe
from encoder.config import EncoderConfig
from encoder.init import initialise
from encoder.vit import VideoEncoder


class LoadedEncoder(NamedTuple):
    encoder: VideoEncoder
    report: LoadReport


def load_encoder(
    path: Path,
    wanted: EncoderConfig | None = None,
    told: CheckpointOverrides | None = None,
    options: LoadOptions = DEFAULTS,
) -> LoadedEncoder:
    """The encoder of a file, or `wanted` with the weights of that file.

    Without `wanted` it is the encoder that those who trained the file would run. Raises
    CheckpointMismatch, and then nothing is loaded, where the file is not whole or of no known
    family, has values that are not finite, or does not fit the wanted encoder.
    """
    return load_source(find_source(path, told), wanted, options)


def load_source(
    found: SourceEncoder, wanted: EncoderConfig | None, options: LoadOptions = DEFAULTS
) -> LoadedEncoder:
    """As `load_encoder`, of a file that was looked into already."""
    adapted = adapt(found, wanted or found.config, options)
    with torch.device("meta"):
        encoder = VideoEncoder(adapted.config)
    initialise(encoder, adapted.fresh)
    for name, part in adapted.parts.items():
        owner, _, leaf = name.rpartition(".")
        module = encoder.get_submodule(owner)
        setattr(module, leaf, nn.Parameter(value_of(part, found.file, name)))
    return LoadedEncoder(encoder, LoadReport(found, adapted))


def value_of(part: TensorRecipe, file: TensorFile, name: str) -> Tensor:
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
