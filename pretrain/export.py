"""Writing a run's autoencoder in the layout of another program."""

from pathlib import Path

from encoder.files import CheckpointMismatch
from launch.checkpoints.folder import CHECKPOINTS_FOLDER, complete_checkpoints, open_checkpoint
from launch.checkpoints.restoring import read_weights
from launch.recipe import ConfigError, load_recipe
from pretrain.config import PretrainConfig
from pretrain.weights import WRITERS


def export_run(run: Path, out: Path, layout: str) -> None:
    """Writes the last checkpoint of a run; raises ConfigError where one of the paths is wrong."""
    config = load_recipe(PretrainConfig, str(run / "config.yaml"), (), run)
    checkpoints = complete_checkpoints(run / CHECKPOINTS_FOLDER)
    if not checkpoints:
        raise CheckpointMismatch(f"{run}: has no checkpoint yet; let the run save one first")
    if out.exists():
        raise ConfigError(f"{out}: exists already; give another file")
    WRITERS[layout](out, read_weights(open_checkpoint(checkpoints[-1])), config)
