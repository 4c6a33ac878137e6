"""The part `val` during training: how good each step is, and the weights of the best one."""

import json
from pathlib import Path
from typing import NamedTuple

from encoder.config import EncoderConfig
from finetune.config import ValidationConfig
from finetune.model.build import read_frozen
from finetune.model.classifier_file import (
    CLASSIFIER_FILE,
    ClassifierMetadata,
    read_classifier_metadata,
    save_classifier,
)
from launch.atomic_io import write_atomic
from launch.checkpoint.loader import read_weights
from launch.checkpoint.saver import WRITE_ERRORS
from launch.checkpoint.store import CHECKPOINTS_FOLDER, checkpoint_name, open_checkpoint
from launch.errors import ConfigError

VALIDATION_FILE = "validation.jsonl"


class ValidationResult(NamedTuple):
    """The figure of one step by which the best is chosen."""

    step: int
    value: float


class ValidationHistory:
    """The looks of a run, one line a step in `validation.jsonl`; those behind `start` are dropped.

    The first process owns the file; the others know the same looks.
    """

    def __init__(self, folder: Path, start: int, config: ValidationConfig) -> None:
        self._file, self.metric = folder / VALIDATION_FILE, config.metric
        looks = [look for look in read_validation_history(folder) if look.step <= start]
        # without the weights that they chose, looks are worth nothing
        self._looks = looks if _kept_step(folder) in {look.step for look in looks} else []

    def has(self, step: int) -> bool:
        return any(look.step == step for look in self._looks)

    @property
    def best(self) -> ValidationResult | None:
        """The highest; of equals the first."""
        return max(self._looks, key=lambda look: look.value, default=None)

    def is_best(self, look: ValidationResult) -> bool:
        return self.best is None or look.value > self.best.value

    def add(self, look: ValidationResult, writes: bool) -> None:
        self._looks.append(look)
        if writes:
            lines = (json.dumps({"step": s, self.metric: v}) for s, v in self._looks)
            write_atomic(self._file, "".join(f"{line}\n" for line in lines))


def read_validation_history(folder: Path) -> list[ValidationResult]:
    """Those of a run's folder."""
    file = folder / VALIDATION_FILE
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    held = [json.loads(line) for line in lines]
    return [ValidationResult(line.pop("step"), next(iter(line.values()))) for line in held]


def _kept_step(folder: Path) -> int | None:
    """The step whose weights a run has kept."""
    file = folder / CLASSIFIER_FILE
    return read_classifier_metadata(file).step if file.is_file() else None


def validation_steps(config: ValidationConfig, steps: int, per_epoch: float) -> frozenset[int]:
    """The steps after which is looked; the last one is always among them."""
    every = max(1.0, config.every_epochs * per_epoch)
    chosen = {round(every * i) for i in range(1, int(steps / every) + 1)}
    return frozenset({step for step in chosen if step < steps} | {steps})


def write_classifier(folder: Path, encoder: EncoderConfig, about: ClassifierMetadata) -> None:
    """The weights of the checkpoint of `about.step`, with those that are not trained.

    Raises ConfigError where the disk has no room.
    """
    checkpoint = open_checkpoint(folder / CHECKPOINTS_FOLDER / checkpoint_name(about.step))
    tensors = {**read_frozen(folder), **read_weights(checkpoint)}
    file = folder / CLASSIFIER_FILE
    try:
        save_classifier(file, tensors, encoder, about)
    except WRITE_ERRORS as error:
        raise ConfigError(
            f"run: {file} cannot be written ({error}); make room, and give the same command again"
        ) from None
