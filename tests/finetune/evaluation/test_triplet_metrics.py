"""Average precisions of triplets against recorded numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from finetune.evaluation.triplet_metrics import (
    COMPONENTS,
    TRIPLET,
    average_precision,
    triplet_precisions,
)

FIXTURES = Path(__file__).parent / "fixtures"
RECORDED = json.loads((FIXTURES / "public_ivt.json").read_text())
MAP = json.loads((FIXTURES / "public_triplet_map.json").read_text())


def components() -> dict[str, list[int]]:
    """Of each triplet its components; pairs are numbered without gaps."""
    columns = {name: i for i, name in enumerate(MAP["columns"])}
    found = {}
    for name in COMPONENTS:
        ids = [row[columns[name]] for row in MAP["rows"]]
        order = {value: i for i, value in enumerate(sorted(set(ids)))}
        found[name] = [order[value] for value in ids]
    return found


def recordings() -> list[tuple[np.ndarray, np.ndarray]]:
    found = []
    for video in RECORDED["videos"]:
        scores = np.array(video["scores"])
        labels = np.zeros(scores.shape, dtype=np.int64)
        for row, triplets in zip(labels, video["targets"], strict=True):
            row[triplets] = 1
        found.append((scores, labels))
    return found


@pytest.mark.parametrize("null", [(), tuple(range(94, 100))], ids=["all", "without null"])
def test_precisions_are_the_recorded_ones(null: tuple[int, ...]) -> None:
    found = triplet_precisions(recordings(), components(), null)
    for name in (*COMPONENTS, TRIPLET):
        expected = RECORDED["expected"][f"video_{name}_ignorenull{bool(null)}"]
        recorded = np.array([np.nan if v is None else v for v in expected["AP"]])
        np.testing.assert_allclose(found[name], recorded, atol=1e-6)
        assert np.nanmean(found[name]) == pytest.approx(expected["mAP"])


def test_average_precision_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels = rng.integers(2, size=50)
        scores = rng.integers(8, size=50) / 8  # many are equal
        expected = average_precision_score(labels, scores)
        assert average_precision(scores, labels) == pytest.approx(expected)
    assert np.isnan(average_precision(scores, np.zeros(50, dtype=np.int64)))
