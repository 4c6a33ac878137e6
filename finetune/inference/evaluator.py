"""Evaluation of a run: `val` during training, `val` and `test` at the end."""

import math
import time
from collections.abc import Callable
from typing import Any

from torch import Tensor

from encoder.block import uncompiled
from finetune.config import FinetuneConfig
from finetune.data.datasets import LabelledSets
from finetune.evaluation.evaluate import evaluate
from finetune.evaluation.predictions import Predictions
from finetune.inference.best_checkpoint import ValidationHistory, ValidationResult, write_classifier
from finetune.inference.multi_view import MultiViewReader
from finetune.inference.predictor import Forward, ModelOutputs, Predictor
from finetune.inference.probabilities import build_predictions, prediction_metadata, view_averager
from finetune.inference.write_results import write_predictions
from finetune.model.build import BuiltModel
from finetune.model.classifier import Classifier
from finetune.model.classifier_file import (
    CLASSIFIER_FILE,
    ClassifierMetadata,
    load_classifier,
    read_classifier_metadata,
    sampling_as_dict,
)
from finetune.reporter import FinetuneReporter
from launch.distributed.process_group import run_on_rank0
from launch.distributed.signals import Stopped
from launch.run.session import Session
from launch.training.engine import Engine, resolve_precision
from video.eval_crop import EvalCrop
from video.near_duplicates.fingerprint import within_header

PROGRESS_SECONDS = 30.0
UNTRAINED_BATCH = 32  # clips of a forward pass of k-NN, where the recipe says auto


def build_predictor(
    config: FinetuneConfig,
    built: BuiltModel,
    session: Session,
    activity: str,
    log: Callable[[str], None],
) -> Predictor:
    """The predictor of a run, with the test views of its recipe; a signal stops it.

    `log` gets a line of progress every PROGRESS_SECONDS.
    """
    encoder = built.spec.encoder
    eval_crop = EvalCrop(encoder.image_size, config.data.eval_crop, config.test_views.crops)
    reader = MultiViewReader(eval_crop, encoder.num_frames, config.test_views.clips)

    logged = time.monotonic()

    def report_progress(done: int, total: int) -> None:
        nonlocal logged
        session.watchdog.set_status(f"{activity}, {done} of {total}")
        if time.monotonic() - logged >= PROGRESS_SECONDS and done < total:
            log(f"{activity}: {done} of {total} batches")
            logged = time.monotonic()
        if session.signals.request is not None:
            raise Stopped(f"stopped by {session.signals.request} {activity}; all is saved", False)

    data, batch_size = config.data, config.batch.micro_batch_size
    if batch_size == "auto":  # a run that does not train
        batch_size = UNTRAINED_BATCH
    precision = resolve_precision(config.engine, session.processes.device)
    return Predictor(
        reader, batch_size, data.workers, data.read_timeout, report_progress, precision
    )


class Evaluator:
    """Evaluates the parts `val` and `test`. Every process makes the same calls."""

    def __init__(
        self,
        config: FinetuneConfig,
        session: Session,
        sets: LabelledSets,
        built: BuiltModel,
        engine: Engine,
        reporter: FinetuneReporter,
        history: ValidationHistory,
    ) -> None:
        self._config, self._session, self._sets, self._built = config, session, sets, built
        self._engine, self._reporter, self._history = engine, reporter, history
        self._average_views = view_averager(config.test_views, config.multi_label)

    def validate(self, step: int) -> None:
        """Evaluates the weights of a saved step on the labelled samples of `val`, and writes them
        to the classifier file if they are the best so far."""
        self._built.model.eval()
        activity, history = f"validating step {step}", self._history
        with uncompiled(self._built.model):
            outputs = self._predict("val", self._logits(self._engine.forward), activity, True)
        predictions = self._predictions(outputs, "val", step)
        metrics = evaluate(predictions, f"val at step {step}").metrics.all
        result = ValidationResult(step, metrics.get(history.metric, float("nan")))
        is_best = history.is_best(result)
        if is_best:
            value = result.value if math.isfinite(result.value) else None  # JSON has no others
            self._save(step, {"metric": history.metric, "value": value})
        history.add(result, self._session.processes.is_rank0)
        best = history.best or result
        comparison = "the best so far" if is_best else f"best {best.value:.4f} at step {best.step}"
        self._reporter.report_validation(
            step, metrics, f"step {step}: val {history.metric} {result.value:.4f} ({comparison})"
        )

    def save_last(self, step: int) -> None:
        """Writes the classifier of the last step where there is no `val` to select the best."""
        if "val" not in self._sets.parts:
            self._save(step, {})

    def _save(self, step: int, validation: dict[str, Any]) -> None:
        config, spec = self._config, self._built.spec
        trained_on = [recording.identity() for recording in self._sets.recordings("train")]
        sampling = next(iter(config.data.named.values())).sampling
        metadata = ClassifierMetadata(
            spec.classes,
            config.head,
            config.multi_label,
            step,
            within_header([*spec.pretrained_on, *trained_on]),
            sampling_as_dict(sampling),
            config.data.eval_crop,
            validation,
        )
        run_on_rank0(
            self._session.processes,
            lambda: write_classifier(self._session.folder, spec.encoder, metadata),
        )

    def test(self, log: Callable[[str], None]) -> None:
        """Predicts `val` and `test` with the classifier file, and writes all metrics."""
        folder, device = self._session.folder, self._engine.device
        classifier: Classifier = load_classifier(folder)[0].to(device)
        step = read_classifier_metadata(folder / CLASSIFIER_FILE).step
        for part in ("val", "test"):
            if part in self._sets.parts:
                outputs = self._predict(part, self._logits(classifier), f"predicting {part}", False)
                predictions = self._predictions(outputs, part, step)
                write_predictions(self._session, part, predictions, log)

    def _logits(self, forward: Callable[[Tensor], dict[str, Tensor]]) -> Forward:
        return lambda clips: forward(clips)["logits"]

    def _predict(
        self, part: str, forward: Forward, activity: str, labelled_only: bool
    ) -> ModelOutputs:
        log = self._reporter.logger.info
        predictor = build_predictor(self._config, self._built, self._session, activity, log)
        outputs = predictor.predict_all(
            forward,
            self._average_views,
            self._sets.parts[part],
            self._session.processes,
            labelled_only,
        )
        self._reporter.count_unreadable(activity, outputs.readable, outputs.failures)
        return outputs

    def _predictions(self, outputs: ModelOutputs, part: str, step: int) -> Predictions:
        chosen = "by val" if "val" in self._sets.parts else "the last step; there is no val"
        metadata = prediction_metadata(self._config, part, step, chosen=chosen)
        tracks, classes = self._sets.parts[part], self._sets.classes
        return build_predictions(outputs, tracks, classes, self._config.multi_label, metadata)
