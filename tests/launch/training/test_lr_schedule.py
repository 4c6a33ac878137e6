"""The schedules against the numbers recorded from VideoMAE V2's own function."""

import json
from pathlib import Path

import pytest

from launch.config import ScheduleConfig
from launch.training.lr_schedule import build_schedules, total_steps, warmup_cosine
from launch.training.optimizer import AdamWConfig

RECORDED = json.loads((Path(__file__).parent / "fixtures/public_cosine_schedule.json").read_text())


@pytest.mark.parametrize(
    ("case", "peak", "final", "warmup"),
    [("a", 4.8e-3, 8e-5, 21), ("b", 1e-3, 1e-5, 0), ("c", 0.05, 0.05, 0), ("d", 1.0, 0.1, 13)],
)
def test_warmup_cosine_is_the_recorded_schedule(
    case: str, peak: float, final: float, warmup: int
) -> None:
    recorded = RECORDED[case]
    ours = [warmup_cosine(i, peak, final, warmup, len(recorded)) for i in range(len(recorded))]
    assert ours == pytest.approx(recorded, abs=1e-9)


def test_learning_rate_follows_the_clips_of_a_step() -> None:
    schedule = ScheduleConfig(steps=100, warmup=0.1)
    optimizer = AdamWConfig(base_lr=2.5e-4, min_lr=2.5e-6)
    rate, _ = build_schedules(optimizer, schedule, 4096, 100)
    assert rate(9) == rate(10) == pytest.approx(4e-3)
    assert rate(0) == 0
    assert 4e-5 < rate(99) < 1e-4
    half, _ = build_schedules(optimizer, schedule, 2048, 100)
    assert half(50) == pytest.approx(rate(50) / 2)


def test_weight_decay_is_constant_unless_it_has_an_end() -> None:
    schedule = ScheduleConfig(steps=10)
    _, constant = build_schedules(AdamWConfig(), schedule, 256, 10)
    _, falling = build_schedules(
        AdamWConfig(weight_decay=0.04, weight_decay_end=0.4), schedule, 256, 10
    )
    assert {constant(step) for step in range(10)} == {0.05}
    assert [falling(0), falling(9)] == [pytest.approx(0.04), pytest.approx(0.4, rel=0.05)]


def test_length_in_epochs_counts_parts_of_a_step() -> None:
    assert total_steps(ScheduleConfig(epochs=10), steps_per_epoch=2.5) == 25
    assert total_steps(ScheduleConfig(epochs=0.1), steps_per_epoch=1.0) == 1
    assert total_steps(ScheduleConfig(steps=7), steps_per_epoch=1000) == 7
