"""Any checkpoint of the field into one encoder, with a report of what became of each tensor."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from encoder.checkpoint.adapt import DEFAULTS, LoadOptions, adapt
from encoder.checkpoint.load_report import LoadReport
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.parse import SourceEncoder, read_source
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
    config: EncoderConfig | None = None,
    overrides: CheckpointOverrides | None = None,
    options: LoadOptions = DEFAULTS,
) -> LoadedEncoder:
    """The encoder of a file, or `wanted` with the weights of that file.

    Without `wanted` it is the encoder that those who trained the file would run. Raises
    CheckpointMismatch, and then nothing is loaded, where the file is not whole or of no known
    family, has values that are not finite, or does not fit the wanted encoder.
    """
    return load_source(read_source(path, overrides), config, options)


def load_source(
    source: SourceEncoder, config: EncoderConfig | None, options: LoadOptions = DEFAULTS
) -> LoadedEncoder:
    """As `load_encoder`, of a file that was looked into already."""
    adapted = adapt(source, config or source.config, options)
    with torch.device("meta"):
        encoder = VideoEncoder(adapted.config)
    initialise(encoder, adapted.initialised)
    for name, part in adapted.recipes.items():
        owner, _, leaf = name.rpartition(".")
        module = encoder.get_submodule(owner)
        setattr(module, leaf, nn.Parameter(make_tensor(part, source.file, name)))
    return LoadedEncoder(encoder, LoadReport(source, adapted))


def make_tensor(recipe: TensorRecipe, file: TensorFile, name: str) -> Tensor:
    """A part's values as float32 in memory of their own; refuses those that are not finite."""
    made = recipe.make(*(file.read(source) for source in recipe.sources))
    value = torch.empty(made.shape).copy_(made)
    if not torch.isfinite(value).all():
        bad = int((~torch.isfinite(value)).sum())
        raise CheckpointMismatch(
            f"{file.path}: {bad} of the {value.numel()} values of {' + '.join(recipe.sources)} are "
            f"not finite; it would become {name}, take an earlier checkpoint"
        )
    return value
