"""Another evaluation of a part is counted, and keeps the predictions of those before it."""

from pathlib import Path
from typing import Any

import numpy as np

from finetune.evaluation.predictions import (
    EVALUATIONS,
    Predictions,
    load_predictions,
    save_predictions,
)
from finetune.inference.earlier_predictions import Evaluation, count_evaluation


def predicted(step: int, **about: Any) -> Predictions:
    scores = np.random.default_rng(step).dirichlet(np.ones(3), 6).astype(np.float32)
    return Predictions(
        np.array(["a", "a", "a", "b", "b", "b"]),
        np.arange(6.0),
        scores,
        np.array([0, 1, 2, 0, 1, -1]),
        ("x", "y", "z"),
        {"run": "runs/first", "step": step, **about},
    )


def evaluated(file: Path, predictions: Predictions) -> Evaluation:
    evaluation = count_evaluation(file, predictions)
    counted = {**predictions.metadata, EVALUATIONS: evaluation.number}
    save_predictions(file, predictions._replace(metadata=counted))
    return evaluation


def test_each_evaluation_is_counted_and_none_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "predictions_test.npz"
    assert evaluated(file, predicted(8)) == (1, None, None)
    first = file.read_bytes()
    assert evaluated(file, predicted(10)) == (2, 8, tmp_path / "predictions_test_1.npz")
    second = file.read_bytes()
    assert evaluated(file, predicted(12)) == (3, 10, tmp_path / "predictions_test_2.npz")
    assert (tmp_path / "predictions_test_1.npz").read_bytes() == first
    assert (tmp_path / "predictions_test_2.npz").read_bytes() == second
    assert load_predictions(file).evaluations == 3
    assert len(list(tmp_path.iterdir())) == 3


def test_the_same_evaluation_counts_once(tmp_path: Path) -> None:
    file = tmp_path / "predictions_test.npz"
    evaluated(file, predicted(8))
    again = predicted(8, run="moved/first")
    nearly = again._replace(scores=again.scores + np.float32(1e-5))  # on another device
    assert evaluated(file, nearly) == (1, None, None)
    other_views = predicted(8, views="4 clips x 3 crops")
    assert evaluated(file, other_views).number == 2


def test_damaged_and_former_files_are_kept_too(tmp_path: Path) -> None:
    file = tmp_path / "predictions_val.npz"
    save_predictions(file, predicted(8))  # of a version that did not count
    assert evaluated(file, predicted(9)).number == 2
    file.write_bytes(file.read_bytes()[:100])
    evaluation = evaluated(file, predicted(10))
    assert evaluation == (3, "unknown", tmp_path / "predictions_val_2.npz")
    assert len((tmp_path / "predictions_val_2.npz").read_bytes()) == 100
