"""One safetensors file with all weights of a sharded checkpoint."""

import json
from pathlib import Path

from launch.atomic_io import require_writable
from launch.checkpoint.loader import read_weights
from launch.checkpoint.save_tensors import save_tensors
from launch.checkpoint.store import CHECKPOINTS_FOLDER, newest_valid_checkpoint
from launch.errors import ConfigError
from launch.yaml_file import read_yaml


def consolidate(run: Path, out: Path, step: int | None) -> str:
    """Writes the weights of a checkpoint in float32, of the newest valid one if `step` is None.

    The file's metadata has the step and the run's configuration. Returns a summary in one line.
    Raises ConfigError for a wrong path, DamagedCheckpoint for wrong bytes.
    """
    if out.exists():
        raise ConfigError(f"{out}: already exists; give another file")
    require_writable(out)
    if not (run / CHECKPOINTS_FOLDER).is_dir():
        raise ConfigError(f"{run}: is not a run folder, it has no {CHECKPOINTS_FOLDER}")
    checkpoint = newest_valid_checkpoint(run / CHECKPOINTS_FOLDER, step)
    weights = read_weights(checkpoint)
    config = read_yaml(run / "config.yaml")
    metadata = {"step": json.dumps(checkpoint.step), "config": json.dumps(config)}
    unfinished = out.with_name(out.name + ".tmp")
    save_tensors(weights, unfinished, metadata)
    unfinished.replace(out)
    values = sum(weight.numel() for weight in weights.values())
    return f"{out}: {len(weights)} tensors, {values:,} values of {checkpoint.folder.name}"
