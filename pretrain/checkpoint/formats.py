"""The table of autoencoder file formats: how each is read and written, and what it can hold."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from encoder.checkpoint.formats.registry import FORMATS as ENCODER_FORMATS
from encoder.checkpoint.formats.registry import require_supported
from encoder.checkpoint.key_map import KeyMap, find_roots
from encoder.checkpoint.load import make_tensor
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.parse import SourceEncoder, read_source
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.checkpoint.tensor_file import TensorFile
from encoder.checkpoint.tensor_recipe import TensorRecipes, copy_tensor
from launch.checkpoint.loader import read_weights
from launch.checkpoint.store import CHECKPOINTS_FOLDER, newest_valid_checkpoint
from launch.nearest import nearest
from pretrain.checkpoint.decoder_names import HF, MAE_ST, VIDEOMAE, decoder_recipes
from pretrain.checkpoint.writers import write_huggingface, write_own, write_videomae
from pretrain.config import PretrainConfig

OWN = "own"
Writer = Callable[[Path, dict[str, Tensor], PretrainConfig], None]


class Format(NamedTuple):
    """A file format. Targets name the formats that can hold them (`TargetSpec.formats`)."""

    decoder: KeyMap | None  # names of the decoder's tensors; None: this project's
    write: Writer | None  # None: this format is only read
    fixed: Mapping[str, Any] = {}  # fields of DecoderConfig with the only value that it can hold


PLAIN_DECODER = {"class_token": False, "embed_bias": False, "pos_embed": "sinusoid"}
FORMATS: dict[str, Format] = {
    OWN: Format(None, write_own),
    "videomae": Format(VIDEOMAE, write_videomae, PLAIN_DECODER),
    "hf": Format(HF, write_huggingface, {**PLAIN_DECODER, "predicted_frames": None}),
    "mae_st": Format(MAE_ST, None),
}


class Autoencoder(NamedTuple):
    """Tensors under this project's names, and the format of their file."""

    format: str
    tensors: dict[str, Tensor]


def read_autoencoder(path: Path, overrides: CheckpointOverrides | None = None) -> Autoencoder:
    """The autoencoder in a file, whose format is recognised, or in a run's newest checkpoint.

    Raises CheckpointMismatch where no known encoder or no known decoder is in it.
    """
    if (path / CHECKPOINTS_FOLDER).is_dir():
        return Autoencoder(OWN, read_weights(newest_valid_checkpoint(path / CHECKPOINTS_FOLDER)))
    return autoencoder_of(read_source(path, overrides))


def autoencoder_of(found: SourceEncoder) -> Autoencoder:
    """The autoencoder in a file whose encoder was found; raises CheckpointMismatch."""
    file = found.file
    recipes = {f"encoder.{name}": recipe for name, recipe in found.recipes.items()}
    name, decoder = _decoder(file)
    recipes |= {f"decoder.{part}": recipe for part, recipe in decoder.items()}
    return Autoencoder(
        name, {part: make_tensor(recipe, file, part) for part, recipe in recipes.items()}
    )


def _decoder(file: TensorFile) -> tuple[str, TensorRecipes]:
    own = {
        name.removeprefix("decoder."): copy_tensor(name)
        for name in file.tensors
        if name.startswith("decoder.")
    }
    if "embed.weight" in own and "mask_token" in own:
        return OWN, own
    for name, row in FORMATS.items():
        if row.decoder is not None and "" in find_roots(file.tensors, row.decoder):
            return name, decoder_recipes(file, row.decoder)
    raise CheckpointMismatch(
        f"{file.path}: has an encoder but no decoder of a known format ({', '.join(FORMATS)}); "
        "give a pretraining checkpoint"
    )


def write_autoencoder(
    name: str, path: Path, tensors: dict[str, Tensor], config: PretrainConfig
) -> None:
    """Writes a file or folder; raises CheckpointMismatch where the format cannot hold the model."""
    writable = {known: row for known, row in FORMATS.items() if row.write is not None}
    if name not in writable:
        raise CheckpointMismatch(
            f"--to {name}: is none of {', '.join(writable)}{nearest(name, writable)}"
        )
    row = writable[name]
    if name in ENCODER_FORMATS:
        require_supported(name, config.encoder)
    for field, only in row.fixed.items():
        value = getattr(config.decoder, field)
        if value != only:
            raise CheckpointMismatch(
                f"--to {name}: the decoder has {field} {value}, and this format only {only}; "
                f"use --to {OWN}"
            )
    if name != OWN and name not in config.target.spec.formats:
        raise CheckpointMismatch(
            f"--to {name}: this format cannot hold the target {config.target.kind}; use --to {OWN}"
        )
    assert row.write is not None
    row.write(path, tensors, config)
