"""The parts that are not trained on: `val` while a run trains, `val` and `test` when it is over."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from finetune.config import FinetuneConfig
from finetune.data.datasets import LabelledSets
from finetune.evaluation.evaluate import evaluate
from finetune.evaluation.predictions import Predictions
from finetune.inference.best_checkpoint import ValidationHistory, ValidationResult, write_classifier
from finetune.inference.multi_view import MultiViewReader
from finetune.inference.predictor import ModelOutputs, Predictor
from finetune.inference.probabilities import (
    prediction_metadata,
    figures_of,
    build_predictions,
    view_averager,
)
from finetune.inference.write_results import Say, write_predictions
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
from launch.checkpoint.store import CHECKPOINTS_FOLDER, complete_checkpoints, step_of
from launch.distributed.process_group import run_on_rank0
from launch.distributed.signals import Stopped
from launch.run.session import Session
from launch.training.engine import Engine
from video.eval_crop import EvalCrop


def build_predictor(
    config: FinetuneConfig, built: BuiltModel, opened: Session, what: str
) -> Predictor:
    """How this run reads what it is tested on; a signal ends it."""
    encoder = built.spec.encoder
    fitting = EvalCrop(encoder.image_size, config.data.eval_crop, config.test_views.crops)
    viewing = MultiViewReader(fitting, encoder.num_frames, config.test_views.clips)

    def alive(done: int, all_of_them: int) -> None:
        opened.watchdog.set_status(f"{what}, {done} of {all_of_them}")
        if opened.signals.request is not None:
            raise Stopped(f"stopped by {opened.signals.request} {what}; all is saved", False)

    data = config.data
    return Predictor(viewing, config.batch.micro_batch_size, data.workers, data.read_timeout, alive)


class Evaluator:
    """Knows the parts that are not trained on. Every process makes the same calls."""

    def __init__(
        self,
        config: FinetuneConfig,
        opened: Session,
        sets: LabelledSets,
        built: BuiltModel,
        engine: Engine,
        reporter: FinetuneReporter,
        looks: ValidationHistory,
    ) -> None:
        self._config, self._opened, self._sets, self._built = config, opened, sets, built
        self._engine, self._reporter, self._looks = engine, reporter, looks
        self._join = view_averager(config.test_views, config.multi_label)

    def validate(self, step: int) -> None:
        """Predicts the labelled samples of `val` with the weights of a step that is saved, and
        keeps those weights where they are the best so far."""
        self._built.model.eval()
        answers = self._ask("val", self._engine.forward, f"validating step {step}", True)
        predictions = self._predictions(answers, "val", step)
        figures = figures_of(evaluate(predictions, f"val at step {step}"))
        look = ValidationResult(step, figures.get(self._looks.metric, float("nan")))
        better = self._looks.is_best(look)
        if better:
            validation = {"metric": self._looks.metric, "value": look.value}
            self._keep(step, validation)
        self._looks.add(look, self._opened.processes.is_rank0)
        best = self._looks.best or look
        self._reporter.report_validation(
            step,
            figures,
            f"step {step}: val {self._looks.metric} {look.value:.4f} "
            f"({'the best so far' if better else f'best {best.value:.4f} at step {best.step}'})",
        )

    def save_last(self) -> None:
        """Without a part `val` there is no best step: the weights of the last one are kept."""
        if "val" not in self._sets.parts:
            there = complete_checkpoints(self._opened.folder / CHECKPOINTS_FOLDER)
            self._keep(step_of(there[-1]), {})

    def _keep(self, step: int, validation: dict[str, Any]) -> None:
        config, facts = self._config, self._built.spec
        trained_on = [recording.identity() for recording in self._sets.recordings("train")]
        sampling = next(iter(config.data.named.values())).sampling
        kept = ClassifierMetadata(
            facts.classes,
            config.head,
            config.multi_label,
            step,
            [*facts.pretrained_on, *trained_on],
            sampling_as_dict(sampling),
            config.data.eval_crop,
            validation,
        )

        def write() -> None:
            write_classifier(self._opened.folder, facts.encoder, kept)

        run_on_rank0(self._opened.processes, write)

    def test(self, say: Say) -> None:
        """Predicts `val` and `test` with the weights that were kept, and writes all figures."""
        folder, device = self._opened.folder, self._engine.device
        kept: Classifier = load_classifier(folder)[0].to(device)
        half = self._engine.precision == "bf16"

        def forward(clips: Tensor) -> Tensor:
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                return kept(clips)

        step = read_classifier_metadata(folder / CLASSIFIER_FILE).step
        for part in ("val", "test"):
            if part in self._sets.parts:
                answers = self._ask(part, forward, f"predicting {part}", False)
                predictions = self._predictions(answers, part, step)
                write_predictions(self._opened, part, predictions, say)

    def _ask(
        self, part: str, forward: Callable[[Tensor], Tensor], what: str, labelled_only: bool
    ) -> ModelOutputs:
        ask = build_predictor(self._config, self._built, self._opened, what)
        sampled = self._sets.parts[part]
        answers = ask.predict_all(
            forward, self._join, sampled, self._opened.processes, labelled_only
        )
        self._reporter.count_unreadable(what, len(answers.readable), answers.failures)
        return answers

    def _predictions(self, answers: ModelOutputs, part: str, step: int) -> Predictions:
        chosen = "by val" if "val" in self._sets.parts else "the last step; there is no val"
        facts = prediction_metadata(self._config, part, step, chosen=chosen)
        sampled = self._sets.parts[part]
        return build_predictions(
            answers, sampled, self._sets.classes, self._config.multi_label, facts
        )
