"""Export of a run's autoencoder for other programs."""

from pathlib import Path

from encoder.checkpoint.formats.huggingface import processor_line
from encoder.mlp_width import shapes_of
from launch.atomic_io import require_writable
from launch.checkpoint.loader import read_weights
from launch.checkpoint.store import CHECKPOINTS_FOLDER, newest_valid_checkpoint
from launch.errors import ConfigError
from launch.recipe import read_resolved
from pretrain.checkpoint.formats import write_autoencoder
from pretrain.config import PretrainConfig

HUGGINGFACE = "hf"


def export_run(run: Path, out: Path, name: str) -> list[str]:
    """Writes the newest checkpoint of a run in the format of this name; says so in lines.

    Raises ConfigError where a path is wrong, CheckpointMismatch where the format cannot hold it.
    """
    if out.exists():
        raise ConfigError(f"{out}: exists already; give another path")
    require_writable(out, is_folder=name == HUGGINGFACE)
    config = read_resolved(PretrainConfig, run / "config.yaml")
    checkpoint = newest_valid_checkpoint(run / CHECKPOINTS_FOLDER)
    tensors = read_weights(checkpoint)
    write_autoencoder(name, out, tensors, config.with_stored_widths(shapes_of(tensors)))
    values = sum(tensor.numel() for tensor in tensors.values())
    wrote = (
        f"{out}: encoder and decoder of step {checkpoint.step} in format {name}, "
        f"{len(tensors)} tensors, {values:,} values"
    )
    return [wrote, processor_line(config.encoder)] if name == HUGGINGFACE else [wrote]
