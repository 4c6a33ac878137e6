"""The backbone of a recipe: a unified variant, and where its weights come from."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from encoder.checkpoint.adapt import LoadOptions
from encoder.checkpoint.export import contiguous
from encoder.checkpoint.export_formats import require_holds, to_unified
from encoder.checkpoint.load import load_source
from encoder.checkpoint.load_report import LoadReport
from encoder.checkpoint.parse import SourceEncoder, find_source
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import EncoderConfig, first_error
from encoder.model_zoo import find_weights
from encoder.variants import variant_config
from encoder.vit import VideoEncoder
from finetune.model.config import NATIVE, BackboneConfig


class Backbone(NamedTuple):
    """An encoder, and the report of the load where it has weights of a file."""

    encoder: VideoEncoder
    report: LoadReport | None

    @property
    def source(self) -> SourceEncoder | None:
        """The file, as it was looked into; None where weights are fresh."""
        return None if self.report is None else self.report.found


def build_backbone(config: BackboneConfig) -> Backbone:
    """Raises CheckpointMismatch where the file cannot serve the variant; then nothing is loaded.

    Fresh parts draw from torch's own generator.
    """
    if config.weights is None:
        fresh = variant_config(config.variant, **config.encoder_overrides())
        if sizes := config.custom_sizes():
            fresh = replace(fresh, **sizes, size="custom")
        return Backbone(VideoEncoder(fresh), None)
    found = _found(config)
    options = LoadOptions(config.inflation, config.keep_norm, config.allow_missing)
    return Backbone(*load_source(found, _wanted(config, found), options))


def _found(config: BackboneConfig) -> SourceEncoder:
    assert config.weights is not None
    return find_source(*find_weights(config.weights, config.overrides))


def _wanted(config: BackboneConfig, found: SourceEncoder) -> EncoderConfig:
    try:
        if config.variant == NATIVE:
            return replace(found.config, **config.encoder_overrides())
        return variant_config(config.variant, found.config, **config.encoder_overrides())
    except ValueError as error:
        raise CheckpointMismatch(f"{found.file.path}: {first_error(error)}") from None


def write_backbone(path: Path, encoder: VideoEncoder, config: BackboneConfig) -> None:
    """A torch file as upstream's unified models read it, in the form that the flags name.

    Raises CheckpointMismatch where that form or those models cannot hold the encoder.
    """
    require_holds("unified", encoder.config)
    try:
        tensors = to_unified(encoder.state_dict(), encoder.config, config.attention_form)
    except ValueError as error:
        raise CheckpointMismatch(f"{path}: {error}; set qkv_divided_bias") from None
    aside = path.with_name(path.name + ".tmp")
    torch.save({"model": contiguous(tensors)}, aside)
    aside.replace(path)
