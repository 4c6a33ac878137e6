"""Frozen features and their nearest neighbours: a test of an encoder without any training."""

import numpy as np

from finetune.config import FinetuneConfig
from finetune.data.datasets import FAILURE_LOG_FILE, LabelledSets
from finetune.inference.evaluator import build_predictor
from finetune.inference.predictor import ModelOutputs
from finetune.inference.probabilities import (
    prediction_metadata,
    knn_probabilities,
    build_predictions,
)
from finetune.inference.write_results import write_predictions
from finetune.model.build import BuiltModel
from finetune.tuning import KnnClassifier
from launch.run.session import Session
from video.failure_log import FailureLog
from video.labels.segments import MISSING


def knn_classify(
    config: FinetuneConfig, opened: Session, sets: LabelledSets, built: BuiltModel
) -> None:
    """Classifies `val` and `test` by the nearest training samples in frozen features."""
    assert isinstance(config.tuning, KnnClassifier)
    model = built.model.to(opened.processes.device).eval()

    file = opened.folder / FAILURE_LOG_FILE if opened.processes.is_rank0 else None
    failure_log = FailureLog(file, config.data.max_unreadable)

    def say(line: str) -> None:
        if opened.processes.is_rank0:
            print(line, flush=True)

    for line in (*sets.lines, *built.lines):
        say(line)

    def features(part: str) -> ModelOutputs:
        ask = build_predictor(config, built, opened, f"features of {part}")
        answers = ask.predict_all(
            lambda clips: model.encoder(clips).pooled,
            lambda test_views: test_views.mean(1),
            sets.parts[part],
            opened.processes,
            part == "train",
        )
        failure_log.add(f"features of {part}", len(answers.readable), answers.failures)
        return answers

    train = features("train")
    labels = np.array(
        [
            sets.parts["train"][i].track.labels[n]
            for i, n in zip(train.track.tolist(), train.sample.tolist(), strict=True)
        ]
    )
    good = train.readable & (labels != MISSING)
    for part in ("val", "test"):
        if part in sets.parts:
            asked = features(part)
            votes = knn_probabilities(
                train.values[good],
                labels[good],
                asked.values,
                len(sets.classes),
                config.tuning.k,
                config.tuning.temperature,
            )
            facts = prediction_metadata(config, part, 0, chosen="nothing is trained")
            predictions = build_predictions(
                asked._replace(values=votes), sets.parts[part], sets.classes, False, facts
            )
            write_predictions(opened, part, predictions, say)
