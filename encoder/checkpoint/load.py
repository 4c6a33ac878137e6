"""Loads any checkpoint of the field into an encoder, with a report on every tensor."""

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
    """The encoder in a file, or an encoder of another `config` with the file's weights.

    Without `config` it is the encoder as it was trained. Raises CheckpointMismatch, and loads
    nothing, where the file is incomplete or of no known family, has values that are not finite, or
    does not fit `config`.
    """
    return load_source(read_source(path, overrides), config, options)


def load_source(
    source: SourceEncoder, config: EncoderConfig | None, options: LoadOptions = DEFAULTS
) -> LoadedEncoder:
    """As `load_encoder`, of a source that `read_source` gave."""
    plan = adapt(source, config or source.config, options)
    with torch.device("meta"):
        encoder = VideoEncoder(plan.config)
    initialise(encoder, plan.initialised)
    for name, recipe in plan.recipes.items():
        owner, _, leaf = name.rpartition(".")
        module = encoder.get_submodule(owner)
        setattr(module, leaf, nn.Parameter(make_tensor(recipe, source.file, name)))
    return LoadedEncoder(encoder, LoadReport(source, plan))


def make_tensor(recipe: TensorRecipe, file: TensorFile, name: str) -> Tensor:
    """A tensor in float32, in memory of its own: the file may change or vanish afterwards.

    Raises CheckpointMismatch where a value is not finite.
    """
    result = recipe.make(*(file.read(source) for source in recipe.sources))
    value = torch.empty(result.shape).copy_(result)
    if not torch.isfinite(value).all():
        count = int((~torch.isfinite(value)).sum())
        raise CheckpointMismatch(
            f"{file.path}: {count} of the {value.numel()} values of {' + '.join(recipe.sources)} "
            f"(for {name}) are not finite; use an earlier checkpoint"
        )
    return value
