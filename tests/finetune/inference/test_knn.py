"""k-NN classification: votes by hand, and a complete run."""

from pathlib import Path

import numpy as np
import pytest

from finetune.cli import main
from finetune.evaluation.predictions import load_predictions
from finetune.inference import evaluator
from finetune.inference.probabilities import knn_probabilities
from tests.conftest import call_program
from tests.finetune.runs import finetune, words


def test_votes_are_weighted_by_the_cosine() -> None:
    train = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]], dtype=np.float32)
    queries = np.array([[5.0, 0.0], [0.0, 0.1]], dtype=np.float32)
    votes = knn_probabilities(train, np.array([0, 1, 1]), queries, 3, k=2, temperature=0.1)
    near, far = np.exp(1 / 0.1), np.exp(np.sqrt(0.5) / 0.1)
    np.testing.assert_allclose(votes[0], [near / (near + far), far / (near + far), 0], rtol=1e-4)
    np.testing.assert_allclose(votes[1], [0, 1, 0], atol=1e-6)


def test_a_sample_is_its_own_neighbour_and_k_may_exceed_the_samples() -> None:
    features = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    labels = np.arange(40) % 4
    found = knn_probabilities(features, labels, features, 4, k=1, temperature=0.07)
    assert (found.argmax(1) == labels).all()
    every = knn_probabilities(features, labels, features, 4, k=1000, temperature=1e6)
    np.testing.assert_allclose(every, 0.25, atol=1e-5)


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_a_knn_run_writes_predictions_without_training(
    labelled: Path, tmp_path: Path, together, processes: int
) -> None:
    command = words(labelled, tmp_path / "run", "tuning={kind: knn, k: 5}")
    done = finetune(*command) if processes == 1 else together(["-m", "finetune", *command], 2)[0]
    assert done.returncode == 0, done.stderr
    predictions = load_predictions(tmp_path / "run/predictions_test.npz")
    assert predictions.metadata["tuning"] == "knn" and len(predictions.time) == 24
    np.testing.assert_allclose(predictions.scores.sum(1), 1, atol=1e-5)
    assert not list((tmp_path / "run/checkpoints").iterdir())


def test_a_knn_run_tells_its_progress(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluator, "PROGRESS_SECONDS", 0.0)
    command = words(labelled, tmp_path / "run", "tuning={kind: knn, k: 5}")
    done = call_program("finetune", lambda: main(command))
    assert done.returncode == 0, done.stderr
    assert "features of train: 1 of " in done.stdout
