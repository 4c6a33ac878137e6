"""Validation during training: the metric of each step, and the weights of the best one."""

import math
from pathlib import Path
from typing import NamedTuple

from encoder.config import EncoderConfig
from finetune.config import ValidationConfig
from finetune.evaluation.metrics import METRICS
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
from launch.json_text import json_text
from launch.metrics.step_lines import keep_removed, read_step_lines

VALIDATION_FILE = "validation.jsonl"


class ValidationResult(NamedTuple):
    """The metric of one step by which the best step is selected."""

    step: int
    value: float


class ValidationHistory:
    """The validation results of a run, one line each in `validation.jsonl`, up to step `start`.

    Rank 0 writes the file; the other ranks have the same results. Lines that are damaged, or of
    later steps, are moved to `validation_removed.jsonl`.
    """

    def __init__(self, folder: Path, start: int, config: ValidationConfig) -> None:
        self._file, self.metric = folder / VALIDATION_FILE, config.metric
        self._sign = 1 if METRICS[config.metric].higher_is_better else -1
        self._lines = read_step_lines(self._file)
        results = {each.step: each for each in read_validation_history(folder)}
        saved = _saved_result(folder, config.metric)
        if saved is not None:
            results.setdefault(saved.step, saved)  # its line was damaged
        # results without the weights that they selected are useless
        is_complete = saved is not None and saved.step <= start
        kept = sorted(each for each in results.values() if each.step <= start)
        self._results = kept if is_complete else []

    def has(self, step: int) -> bool:
        return any(each.step == step for each in self._results)

    @property
    def best(self) -> ValidationResult | None:
        """The best step; of equal ones the first."""
        return max(self._results, key=self._rank, default=None)

    def is_best(self, result: ValidationResult) -> bool:
        best = self.best
        return best is None or self._rank(result) > self._rank(best)

    def _rank(self, result: ValidationResult) -> float:
        """The higher the better; a metric that is not defined is below all others."""
        return -math.inf if math.isnan(result.value) else self._sign * result.value

    def add(self, result: ValidationResult, writes: bool) -> None:
        self._results.append(result)
        if writes:
            texts = [json_text({"step": s, self.metric: v}).encode() for s, v in self._results]
            keep_removed(self._file, [line for line in self._lines if line.text not in texts])
            self._lines.clear()
            write_atomic(self._file, "".join(f"{text.decode()}\n" for text in texts))


def read_validation_history(folder: Path) -> list[ValidationResult]:
    """The validation results in a run folder, without damaged lines."""
    results = []
    for line in read_step_lines(folder / VALIDATION_FILE):
        for name, value in (line.values or {}).items():
            if name != "step" and isinstance(value, float | int | None):
                results.append(ValidationResult(line.step, _number(value)))
    return results


def _saved_result(folder: Path, metric: str) -> ValidationResult | None:
    """The step of the classifier that a run folder has, and the value that selected it."""
    file = folder / CLASSIFIER_FILE
    if not file.is_file():
        return None
    metadata = read_classifier_metadata(file)
    if metadata.validation.get("metric") != metric:
        return None
    return ValidationResult(metadata.step, _number(metadata.validation["value"]))


def _number(value: float | None) -> float:
    """Of a metric in JSON, where null is one that is not finite."""
    return math.nan if value is None else value


def validation_steps(config: ValidationConfig, steps: int, per_epoch: float) -> frozenset[int]:
    """The steps after which `val` is evaluated; the last one is always among them."""
    every = max(1.0, config.every_epochs * per_epoch)
    chosen = {round(every * i) for i in range(1, int(steps / every) + 1)}
    return frozenset({step for step in chosen if step < steps} | {steps})


def write_classifier(folder: Path, encoder: EncoderConfig, metadata: ClassifierMetadata) -> None:
    """Writes the weights of the checkpoint of `metadata.step`, and the frozen ones.

    Raises ConfigError where the disk is full.
    """
    checkpoint = open_checkpoint(folder / CHECKPOINTS_FOLDER / checkpoint_name(metadata.step))
    tensors = {**read_frozen(folder), **read_weights(checkpoint)}
    file = folder / CLASSIFIER_FILE
    try:
        save_classifier(file, tensors, encoder, metadata)
    except WRITE_ERRORS as error:
        raise ConfigError(
            f"run: cannot write {file} ({error}); free disk space and start the same command again"
        ) from None
