"""The autoencoder of a run or of a file, with all that its pictures need."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from encoder.checkpoint.native_format import load_strictly
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.parse import read_source
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.commands import require_rgb
from encoder.config import EncoderConfig
from launch.checkpoint.loader import read_weights
from launch.checkpoint.store import CHECKPOINTS_FOLDER, newest_valid_checkpoint
from launch.recipe import read_resolved
from masking import MaskGenerator, Tube
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.checkpoint.formats import OWN, autoencoder_of
from pretrain.checkpoint.infer_config import DecoderOverrides, infer_autoencoder_config
from pretrain.config import DecoderConfig, PretrainConfig, TargetConfig
from video.config import Sampling


class LoadedAutoencoder(NamedTuple):
    """An autoencoder that predicts, and how it was trained as far as that is known."""

    model: MaskedAutoencoder
    target: TargetConfig
    hides: MaskGenerator  # from the encoder, in training
    sampling: Sampling
    described: str
    assumed: tuple[str, ...] = ()

    @property
    def encoder(self) -> EncoderConfig:
        return self.model.encoder.config


def open_autoencoder(
    path: Path, told: CheckpointOverrides, of_decoder: DecoderOverrides
) -> LoadedAutoencoder:
    """A run folder, of which the newest whole checkpoint counts, or a file of any known layout.

    Raises CheckpointMismatch where it holds no autoencoder, and ConfigError.
    """
    if (path / CHECKPOINTS_FOLDER).is_dir():
        return _of_run(path)
    found = read_source(path, told)
    require_rgb(found)
    layout, tensors = autoencoder_of(found)
    measured = infer_autoencoder_config(found, layout, tensors, of_decoder)
    _require_grid(path, measured.encoder, told)
    model = _built(measured.encoder, measured.decoder)
    load_strictly(model, tensors, path)
    whose = "this project's" if layout == OWN else f"{layout}'s"
    described = f"{path}, in {whose} layout"
    return LoadedAutoencoder(
        model.eval(), measured.target, Tube(), Sampling(), described, measured.assumed
    )


def _of_run(path: Path) -> LoadedAutoencoder:
    config = read_resolved(PretrainConfig, path / "config.yaml")
    checkpoint = newest_valid_checkpoint(path / CHECKPOINTS_FOLDER)
    model = _built(config.encoder, config.decoder)
    load_strictly(model, read_weights(checkpoint), checkpoint.folder)
    return LoadedAutoencoder(
        model.eval(),
        config.target,
        config.masking.encoder,
        config.data.sampling,
        f"{path}, step {checkpoint.step}",
    )


def _require_grid(path: Path, encoder: EncoderConfig, told: CheckpointOverrides) -> None:
    """A decoder's positions are those of one grid, which told numbers cannot change."""
    for name in ("num_frames", "image_size"):
        said, held = getattr(told, name), getattr(encoder, name)
        if said not in (None, held):
            raise CheckpointMismatch(
                f"{path}: --override {name}={said} contradicts the checkpoint ({held}); remove it"
            )


def _built(encoder: EncoderConfig, decoder: DecoderConfig) -> MaskedAutoencoder:
    return MaskedAutoencoder(replace(encoder, drop_path=0.0), replace(decoder, drop_path=0.0))
