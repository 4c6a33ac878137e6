"""k-NN classification in frozen features: an evaluation of an encoder without training."""

import numpy as np

from finetune.config import FinetuneConfig
from finetune.data.datasets import FAILURE_LOG_FILE, LabelledSets
from finetune.inference.evaluator import build_predictor
from finetune.inference.predictor import ModelOutputs
from finetune.inference.probabilities import (
    build_predictions,
    knn_probabilities,
    prediction_metadata,
)
from finetune.inference.write_results import write_predictions
from finetune.model.build import BuiltModel
from finetune.tuning import KnnClassifier
from launch.run.session import Session
from video.failure_log import FailureLog
from video.labels.segments import MISSING


def knn_classify(
    config: FinetuneConfig, session: Session, sets: LabelledSets, built: BuiltModel
) -> None:
    """Classifies `val` and `test` by the nearest training samples in frozen features."""
    assert isinstance(config.tuning, KnnClassifier)
    model = built.model.to(session.processes.device).eval()

    file = session.folder / FAILURE_LOG_FILE if session.processes.is_rank0 else None
    failure_log = FailureLog(file, config.data.max_unreadable)

    def log(line: str) -> None:
        if session.processes.is_rank0:
            print(line, flush=True)

    for line in (*sets.lines, *built.lines):
        log(line)

    def features(part: str) -> ModelOutputs:
        activity = f"features of {part}"
        predictor = build_predictor(config, built, session, activity, log)
        outputs = predictor.predict_all(
            lambda clips: model.encoder(clips).pooled,
            lambda views: views.mean(1),
            sets.parts[part],
            session.processes,
            part == "train",
        )
        unreadable = int((~outputs.readable).sum())
        failure_log.add(activity, len(outputs.readable), outputs.failures, unreadable)
        return outputs

    train = features("train")
    labels = np.array(
        [
            sets.parts["train"][track].track.labels[sample]
            for track, sample in zip(train.track.tolist(), train.sample.tolist(), strict=True)
        ]
    )
    usable = train.readable & (labels != MISSING)
    for part in ("val", "test"):
        if part in sets.parts:
            queries = features(part)
            probabilities = knn_probabilities(
                train.values[usable],
                labels[usable],
                queries.values,
                len(sets.classes),
                config.tuning.k,
                config.tuning.temperature,
            )
            outputs = queries._replace(values=probabilities)
            metadata = prediction_metadata(config, part, 0, chosen="nothing is trained")
            predictions = build_predictions(
                outputs, sets.parts[part], sets.classes, False, metadata
            )
            write_predictions(session, part, predictions, log)
