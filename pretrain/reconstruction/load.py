"""Loading the autoencoder of a run or of a file for reconstruction."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from encoder.checkpoint.native_format import load_strictly
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.parse import read_source
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.commands import require_rgb
from encoder.config import EncoderConfig
from encoder.mlp_width import shapes_of
from launch.checkpoint.loader import read_weights
from launch.checkpoint.store import CHECKPOINTS_FOLDER, newest_valid_checkpoint
from launch.recipe import read_resolved
from masking import MaskGenerator, Tube
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.checkpoint.formats import OWN, autoencoder_of
from pretrain.checkpoint.infer_config import DecoderOverrides, infer_autoencoder_config
from pretrain.config import DecoderConfig, PretrainConfig
from pretrain.loss_functions import DEFAULT_LOSS, LossFunction
from pretrain.targets.spec import PretrainingTarget
from video.config import Sampling


class LoadedAutoencoder(NamedTuple):
    """A trained autoencoder, with its training settings as far as they are known."""

    model: MaskedAutoencoder
    target: PretrainingTarget
    mask: MaskGenerator  # of the encoder in training
    sampling: Sampling
    description: str
    loss: LossFunction = DEFAULT_LOSS
    assumed: tuple[str, ...] = ()

    @property
    def encoder(self) -> EncoderConfig:
        return self.model.encoder.config


def load_autoencoder(
    path: Path, overrides: CheckpointOverrides, of_decoder: DecoderOverrides
) -> LoadedAutoencoder:
    """The newest valid checkpoint of a run folder, or a file of any known format.

    Raises CheckpointMismatch where there is no autoencoder, and ConfigError.
    """
    if (path / CHECKPOINTS_FOLDER).is_dir():
        return _of_run(path)
    found = read_source(path, overrides)
    require_rgb(found)
    name, tensors = autoencoder_of(found)
    inferred = infer_autoencoder_config(found, name, tensors, of_decoder)
    _require_grid(path, inferred.encoder, overrides)
    model = _build(inferred.encoder, inferred.decoder, inferred.target)
    load_strictly(model, tensors, path)
    format_name = "this project's format" if name == OWN else f"format {name}"
    return LoadedAutoencoder(
        model.eval(),
        inferred.target,
        Tube(),
        Sampling(),
        f"{path}, {format_name}",
        assumed=inferred.assumed,
    )


def _of_run(path: Path) -> LoadedAutoencoder:
    config = read_resolved(PretrainConfig, path / "config.yaml")
    checkpoint = newest_valid_checkpoint(path / CHECKPOINTS_FOLDER)
    tensors = read_weights(checkpoint)
    config = config.with_stored_widths(shapes_of(tensors))
    model = _build(config.encoder, config.decoder, config.target)
    load_strictly(model, tensors, checkpoint.folder)
    return LoadedAutoencoder(
        model.eval(),
        config.target,
        config.masking.encoder,
        config.data.sampling,
        f"{path}, step {checkpoint.step}",
        config.loss,
    )


def _require_grid(path: Path, encoder: EncoderConfig, overrides: CheckpointOverrides) -> None:
    """A decoder's position embedding is of one grid, which overrides cannot change."""
    for name in ("num_frames", "image_size"):
        given, recorded = getattr(overrides, name), getattr(encoder, name)
        if given not in (None, recorded):
            raise CheckpointMismatch(
                f"{path}: --override {name}={given} contradicts the checkpoint ({recorded}); "
                "remove it"
            )


def _build(
    encoder: EncoderConfig, decoder: DecoderConfig, target: PretrainingTarget
) -> MaskedAutoencoder:
    return MaskedAutoencoder(
        replace(encoder, drop_path=0.0), replace(decoder, drop_path=0.0), target
    )
