"""Writing a run's autoencoder in the layout of another program."""

from pathlib import Path

from launch.checkpoint.loader import read_weights
from launch.checkpoint.store import CHECKPOINTS_FOLDER, newest_valid_checkpoint
from launch.errors import ConfigError
from launch.recipe import read_resolved
from pretrain.checkpoint.formats import WRITERS
from pretrain.config import PretrainConfig


def export_run(run: Path, out: Path, layout: str) -> None:
    """Writes the last checkpoint of a run; raises ConfigError where a path is wrong."""
    config = read_resolved(PretrainConfig, run / "config.yaml")
    if out.exists():
        raise ConfigError(f"{out}: exists already; give another file")
    checkpoint = newest_valid_checkpoint(run / CHECKPOINTS_FOLDER)
    WRITERS[layout](out, read_weights(checkpoint), config)
