"""Figures of an interval, and losses that are no numbers."""

import math
from collections.abc import Iterator

import pytest
import torch

from launch.metrics.nonfinite import SkippedStep
from launch.metrics.step_meter import StepMeter, memory_gib
from video.recording import UnreadableVideo


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def test_an_interval_has_means_and_counts_and_starts_afresh() -> None:
    meter, failure = StepMeter(), UnreadableVideo("c.mp4", "is empty")
    meter.add(torch.tensor(1.0), ("a", "b"), (), waited=0.0)
    meter.add(torch.tensor(2.0), ("a",), (failure,), waited=0.0)
    meter.end_step(1, skipped=False)
    interval = meter.close_interval(scales_loss=False)
    assert (interval.loss, interval.reads, interval.data_wait) == (1.5, 3, 0.0)
    assert [str(told) for told in interval.failures] == ["c.mp4: is empty"]
    assert interval.skipped == ()
    meter.add(torch.tensor(4.0), ("a",), (), waited=0.0)
    meter.end_step(2, skipped=False)
    assert meter.close_interval(scales_loss=False)[:3] == (4.0, 1, ())


def test_a_pause_counts_in_no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("launch.metrics.step_meter.time.perf_counter", lambda: now)
    meter = StepMeter()
    meter.add(torch.tensor(1.0), ("a",), (), waited=1.0)
    now += 2
    with meter.paused():
        now += 50
    meter.end_step(1, skipped=False)
    interval = meter.close_interval(scales_loss=False)
    assert (interval.seconds, interval.data_wait) == (2.0, 0.5)


def test_a_skipped_step_names_the_recordings_whose_loss_was_no_number() -> None:
    meter = StepMeter()
    for step, values in ((4, (1.0, 2.0)), (5, (1.0, math.nan)), (6, (math.inf, 3.0))):
        meter.add(torch.tensor(values[0]), ("a.mp4",), (), 0.0)
        meter.add(torch.tensor(values[1]), ("c.mp4", "b.mp4"), (), 0.0)
        meter.end_step(step, torch.tensor(step > 4))
    interval = meter.close_interval(scales_loss=True)
    assert interval.skipped == (
        SkippedStep(5, ("c.mp4", "b.mp4"), by_scale=False),
        SkippedStep(6, ("a.mp4",), by_scale=False),
    )
    assert interval.loss == (1 + 2 + 1 + 3) / 4  # of those that are numbers


@pytest.mark.parametrize("scales_loss", [False, True])
def test_a_gradient_that_is_no_number_may_be_the_scale_of_fp16(scales_loss: bool) -> None:
    meter = StepMeter()
    meter.add(torch.tensor(1.0), ("a", "b"), (), 0.0)
    meter.end_step(7, skipped=True)
    expected = (SkippedStep(7, ("a", "b"), by_scale=scales_loss),)
    assert meter.close_interval(scales_loss).skipped == expected


def test_memory_is_that_of_the_process() -> None:
    assert 0.01 < memory_gib(torch.device("cpu")) < 100
