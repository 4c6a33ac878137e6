"""The backbone of a recipe: an encoder variant, with the weights of a checkpoint or random ones."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from encoder.checkpoint.adapt import LoadOptions, adapt
from encoder.checkpoint.common_tensors import contiguous
from encoder.checkpoint.formats.registry import require_supported
from encoder.checkpoint.formats.unified import to_unified
from encoder.checkpoint.load import load_source
from encoder.checkpoint.load_report import LoadReport
from encoder.checkpoint.parse import SourceEncoder, read_source
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import EncoderConfig, first_error
from encoder.model_zoo import resolve_weights
from encoder.variants import WrongSize, variant_config
from encoder.vit import VideoEncoder
from finetune.model.config import NATIVE, BackboneConfig


class Backbone(NamedTuple):
    """An encoder, and the load report where it has weights of a checkpoint."""

    encoder: VideoEncoder
    report: LoadReport | None

    @property
    def source(self) -> SourceEncoder | None:
        """The parsed checkpoint; None where weights are random."""
        return None if self.report is None else self.report.source


def build_backbone(config: BackboneConfig) -> Backbone:
    """Raises CheckpointMismatch, before anything is loaded, where the checkpoint does not fit.

    Random weights are drawn from torch's global generator.
    """
    if config.weights is None:
        encoder = variant_config(config.variant, **config.encoder_overrides())
        if sizes := config.custom_sizes():
            encoder = replace(encoder, **sizes, size="custom")
        return Backbone(VideoEncoder(encoder), None)
    source = read_source(*resolve_weights(config.weights, config.overrides))
    return Backbone(*load_source(source, _encoder_config(config, source), _load_options(config)))


def check_backbone(config: BackboneConfig) -> list[str]:
    """Raises the CheckpointMismatch of `build_backbone` from names and shapes alone.

    Weights that are not on this machine yet are not compared; the returned line says so.
    """
    if config.weights is None:
        return []
    if not Path(config.weights).exists():
        return [f"backbone.weights: {config.weights} is no file or folder here yet; not compared"]
    source = read_source(Path(config.weights), config.overrides)
    adapt(source, _encoder_config(config, source), _load_options(config))
    return []


def _load_options(config: BackboneConfig) -> LoadOptions:
    return LoadOptions(config.inflation, config.keep_norm, config.allow_missing)


def _encoder_config(config: BackboneConfig, source: SourceEncoder) -> EncoderConfig:
    try:
        if config.variant == NATIVE:
            return replace(source.config, **config.encoder_overrides())
        return variant_config(config.variant, source.config, **config.encoder_overrides())
    except WrongSize as error:
        raise CheckpointMismatch(
            f"{source.file.path}: {error}; backbone.variant=native takes the encoder as it is"
        ) from None
    except ValueError as error:
        raise CheckpointMismatch(f"{source.file.path}: {first_error(error)}") from None


def write_backbone(path: Path, encoder: VideoEncoder, config: BackboneConfig) -> None:
    """Writes a torch file for upstream's unified models, in the attention form of the flags.

    Raises CheckpointMismatch where that form or those models cannot represent the encoder.
    """
    require_supported("unified", encoder.config)
    try:
        tensors = to_unified(encoder.state_dict(), encoder.config, config.attention_form)
    except ValueError as error:
        raise CheckpointMismatch(f"{path}: {error}; set qkv_divided_bias") from None
    temporary = path.with_name(path.name + ".tmp")
    torch.save({"model": contiguous(tensors)}, temporary)
    temporary.replace(path)
