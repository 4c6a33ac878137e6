"""What a run folder may contain under the names that a run writes."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from launch.checkpoint.store import CHECKPOINTS_FOLDER
from launch.errors import ConfigError

TEMPORARY = ".tmp"  # the end of names under which files are written before they are renamed


class RunLayout(NamedTuple):
    """Names in a run folder."""

    files: Sequence[str] = ()
    folders: Sequence[str] = ()


EVERY_RUN = RunLayout(
    ("config.yaml", "environment.json", "log.jsonl", "log_removed.jsonl", "wandb_run_id"),
    (CHECKPOINTS_FOLDER, "tensorboard", "wandb"),
)


def require_layout(folder: Path, stage: RunLayout) -> None:
    """Raises ConfigError where a folder is in the place of a file, or the other way round."""
    checkpoints = folder / CHECKPOINTS_FOLDER
    names = [*EVERY_RUN.files, *stage.files]
    files = [folder / name for name in (*names, *(name + TEMPORARY for name in names))]
    files += [checkpoints / "latest", checkpoints / f"latest{TEMPORARY}"]
    folders = [folder / name for name in (*EVERY_RUN.folders, *stage.folders)]
    folders += checkpoints.glob("step-*") if checkpoints.is_dir() else ()
    for path in files:
        if path.exists() and not path.is_file():
            raise ConfigError(
                f"run: {path} is not a file, but a run writes one there; move it away"
            )
    for path in folders:
        if path.exists() and not path.is_dir():
            raise ConfigError(
                f"run: {path} is not a folder, but a run writes one there; move it away"
            )
