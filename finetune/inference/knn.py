"""Frozen features and their nearest neighbours: a test of an encoder without any training."""

import numpy as np

from finetune.config import FinetuneConfig
from finetune.data.datasets import LEDGER_FILE, Sets
from finetune.inference.evaluator import asking
from finetune.inference.predictor import Answers
from finetune.inference.probabilities import about, nearest_neighbours, predictions_of
from finetune.inference.write_results import write_predictions
from finetune.model.build import Built
from finetune.tuning import Neighbours
from launch.run.session import Session
from video.failure_log import Ledger
from video.labels.segments import MISSING


def neighbours(config: FinetuneConfig, opened: Session, sets: Sets, built: Built) -> None:
    """Classifies `val` and `test` by the nearest training samples in frozen features."""
    assert isinstance(config.mode, Neighbours)
    model = built.model.to(opened.processes.device).eval()

    file = opened.folder / LEDGER_FILE if opened.processes.is_first else None
    ledger = Ledger(file, config.data.max_unreadable)

    def say(line: str) -> None:
        if opened.processes.is_first:
            print(line, flush=True)

    for line in (*sets.lines, *built.lines):
        say(line)

    def features(part: str) -> Answers:
        ask = asking(config, built, opened, f"features of {part}")
        answers = ask.all(
            lambda clips: model.encoder(clips).pooled, lambda views: views.mean(1),
            sets.parts[part], opened.processes, part == "train",
        )  # fmt: skip
        ledger.add(f"features of {part}", len(answers.readable), answers.failures)
        return answers

    train = features("train")
    labels = np.array([
        sets.parts["train"][i].track.labels[n]
        for i, n in zip(train.sampled.tolist(), train.number.tolist(), strict=True)
    ])  # fmt: skip
    good = train.readable & (labels != MISSING)
    for part in ("val", "test"):
        if part in sets.parts:
            asked = features(part)
            votes = nearest_neighbours(
                train.values[good], labels[good], asked.values, len(sets.classes),
                config.mode.k, config.mode.temperature,
            )  # fmt: skip
            facts = about(config, part, 0, chosen="nothing is trained")
            predictions = predictions_of(
                asked._replace(values=votes), sets.parts[part], sets.classes, False, facts
            )
            write_predictions(opened, part, predictions, say)
