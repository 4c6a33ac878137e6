"""Averages over recordings and their bootstrap intervals."""

import numpy as np
import pytest

from finetune.evaluation import bootstrap
from finetune.evaluation.bootstrap import average


def test_the_interval_is_that_of_resampled_means() -> None:
    values = np.random.default_rng(3).normal(0.6, 0.1, size=(80, 1))
    found = average(values)
    assert found.value == pytest.approx(values.mean())
    assert found.deviation == pytest.approx(values.std(ddof=1))
    half = 1.96 * values.std() / np.sqrt(80)  # of the normal approximation
    assert found.high - found.value == pytest.approx(half, rel=0.15)
    assert found.value - found.low == pytest.approx(half, rel=0.15)


def test_the_interval_hardly_depends_on_how_many_recordings_are_drawn_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.random.default_rng(3).normal(0.6, 0.1, size=(50, 2))
    values[::7, 1] = np.nan
    at_once = average(values, "phases_first")
    monkeypatch.setattr(bootstrap, "MOST_DRAWN", 120)
    in_parts = average(values, "phases_first")
    assert in_parts.value == at_once.value and np.isnan(in_parts.deviation)
    assert in_parts.low == pytest.approx(at_once.low, abs=0.005)
    assert in_parts.high == pytest.approx(at_once.high, abs=0.005)


@pytest.mark.parametrize("order", ["recordings_first", "phases_first"])
def test_one_recording_has_neither_deviation_nor_interval(order: bootstrap.Order) -> None:
    alone = np.array([[0.2, 0.4], [np.nan, np.nan]])
    for table in (alone, alone[:1]):
        found = average(table, order)
        assert found.value == pytest.approx(0.3)
        assert np.isnan([found.deviation, found.low, found.high]).all()
