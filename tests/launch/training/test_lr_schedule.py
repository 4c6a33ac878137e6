"""The schedules against the numbers recorded from VideoMAE V2's own function."""

import json
from pathlib import Path

import pytest

from launch.errors import ConfigError
from launch.recipe import validate
from launch.training.lr_schedule import (
    LR_SCHEDULES,
    ConstantSchedule,
    CosineSchedule,
    WSDSchedule,
    build_schedules,
    remaining_steps,
    total_steps,
    warmup_cosine,
)
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
    schedule = CosineSchedule(steps=100, warmup=0.1)
    optimizer = AdamWConfig(base_lr=2.5e-4, min_lr=2.5e-6)
    rate, _ = build_schedules(optimizer, schedule, 4096, 100)
    assert rate(9) == rate(10) == pytest.approx(4e-3)
    assert rate(0) == 0
    assert 4e-5 < rate(99) < 1e-4
    half, _ = build_schedules(optimizer, schedule, 2048, 100)
    assert half(50) == pytest.approx(rate(50) / 2)


def test_weight_decay_is_constant_unless_it_has_an_end() -> None:
    schedule = CosineSchedule(steps=10)
    _, constant = build_schedules(AdamWConfig(), schedule, 256, 10)
    _, falling = build_schedules(
        AdamWConfig(weight_decay=0.04, weight_decay_end=0.4), schedule, 256, 10
    )
    assert {constant(step) for step in range(10)} == {0.05}
    assert [falling(0), falling(9)] == [pytest.approx(0.04), pytest.approx(0.4, rel=0.05)]


CASES = [
    (kind, {**more, "warmup": warmup}, steps)
    for kind, more in (
        ("cosine", {}),
        ("constant", {}),
        *(("wsd", {"decay": 0.3, "decay_type": form}) for form in ("1-sqrt", "linear", "cosine")),
    )
    for warmup in (0.0, 0.1, 0.5)
    for steps in (1, 2, 7, 200)
]


@pytest.mark.parametrize(("kind", "settings", "steps"), CASES)
def test_rates_rise_from_0_to_the_peak_and_never_rise_again(
    kind: str, settings: dict[str, float], steps: int
) -> None:
    peak, final = 2.0, 0.5
    row = LR_SCHEDULES[kind](**settings)
    rates = [row.rate(step, peak, final, steps) for step in range(steps)]
    warmup_steps = round(settings["warmup"] * steps)
    rising, falling = rates[:warmup_steps], rates[warmup_steps:]
    if warmup_steps > 1:
        assert rising[0] == 0 and rising[-1] == peak
        assert rising == sorted(rising) and len(set(rising)) == warmup_steps
    assert falling[0] == peak
    assert falling == sorted(falling, reverse=True)
    assert all(final <= rate <= peak for rate in falling)
    assert row.rate(steps, peak, final, steps) == (peak if kind == "constant" else final)


def test_wsd_is_constant_between_warmup_and_decay() -> None:
    row = WSDSchedule(warmup=0.1, decay=0.2, decay_type="linear")
    rates = [row.rate(step, 1.0, 0.0, 100) for step in range(100)]
    assert rates[9:81] == [1.0] * 72
    assert rates[80:] == pytest.approx([1 - step / 20 for step in range(20)])
    by_form = {
        form: WSDSchedule(decay=0.2, decay_type=form).rate(85, 1.0, 0.0, 100)
        for form in ("1-sqrt", "linear", "cosine")
    }
    assert by_form == pytest.approx({"1-sqrt": 0.5, "linear": 0.75, "cosine": 0.5 + 2**-1.5})


def test_the_stable_phase_of_wsd_does_not_depend_on_the_length() -> None:
    short, long = (WSDSchedule(steps=steps, warmup=10 / steps) for steps in (100, 1000))
    assert [short.rate(step, 3.0, 0.1, 100) for step in range(90)] == [
        long.rate(step, 3.0, 0.1, 1000) for step in range(90)
    ]


def test_a_constant_rate_ignores_the_final_one() -> None:
    rates = {ConstantSchedule(warmup=0).rate(step, 3.0, 0.1, 50) for step in range(50)}
    assert rates == {3.0}


def test_phases_longer_than_the_run_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"warmup 0\.6 and decay 0\.5 are more than all steps"):
        validate(WSDSchedule, {"warmup": 0.6, "decay": 0.5})


def test_length_in_epochs_counts_parts_of_a_step() -> None:
    assert total_steps(CosineSchedule(epochs=10), steps_per_epoch=2.5) == 25
    assert total_steps(CosineSchedule(epochs=0.1), steps_per_epoch=1.0) == 1
    assert total_steps(CosineSchedule(steps=7), steps_per_epoch=1000) == 7


def test_fewer_steps_than_were_done_are_refused() -> None:
    assert remaining_steps(CosineSchedule(steps=9), 9, 9) == range(9, 9)
    assert remaining_steps(CosineSchedule(steps=9), 3, 9) == range(3, 9)
    message = r"schedule.steps: 5 is less than the 9 steps that the run has done; give schedule.st"
    with pytest.raises(ConfigError, match=message):
        remaining_steps(CosineSchedule(steps=5), 9, 5)
    with pytest.raises(ConfigError, match=r"schedule.epochs: 0.5 are 5 steps, which is less than"):
        remaining_steps(CosineSchedule(epochs=0.5), 9, 5)
