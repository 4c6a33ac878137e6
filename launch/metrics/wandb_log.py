"""Weights & Biases, an optional logger."""

import secrets
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from launch.atomic_io import write_atomic
from launch.metrics.loggers import WandbConfig
from launch.yaml_file import read_yaml

ID_FILE = "wandb_run_id"


class WandbLog:
    """Sends the metrics of a run folder to one run of Weights & Biases, also after a resume.

    The service drops steps that it already has, so no step occurs twice.
    """

    def __init__(self, config: WandbConfig, folder: Path) -> None:
        import wandb

        self._wandb: Any = wandb
        recipe = folder / "config.yaml"
        self._run: Any = wandb.init(
            project=config.project,
            entity=config.entity,
            name=folder.name,
            id=_run_id(folder),
            resume="allow",
            dir=folder,
            mode=config.mode,
            config=read_yaml(recipe),
            settings=wandb.Settings(
                silent=True, console="off", disable_git=True, save_code=False, x_disable_stats=True
            ),
        )

    def log_scalars(self, step: int, values: dict[str, float]) -> None:
        self._run.log(values, step=step)

    def log_image(self, step: int, name: str, image: UInt8[np.ndarray, "h w c"]) -> None:
        # without `step`: the service drops what comes after the scalars of a later step
        self._run.log({name: self._wandb.Image(image, caption=f"step {step}")})

    def close(self) -> None:
        self._run.finish()


def _run_id(folder: Path) -> str:
    """The run's identifier at the service, written once into the run folder."""
    file = folder / ID_FILE
    if not file.is_file():
        write_atomic(file, secrets.token_hex(8))
    return file.read_text(encoding="utf-8")
