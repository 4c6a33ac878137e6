"""Figures of an interval, and a loss that is no number."""

from collections.abc import Iterator

import pytest
import torch

from pretrain.data import PretrainBatch
from pretrain.meter import Meter, NonFiniteLoss, memory_gib, peak_flops
from video.recording import UnreadableVideo


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def batch(*recordings: str, failures: tuple[UnreadableVideo, ...] = ()) -> PretrainBatch:
    clip, index = torch.zeros(2, 2, 16, 16, 3, dtype=torch.uint8), torch.zeros(2, 1).long()
    return PretrainBatch(clip, index, index, recordings, failures)


def test_an_interval_has_means_and_counts_and_starts_afresh() -> None:
    meter, failure = Meter(), UnreadableVideo("c.mp4", "is empty")
    meter.add(1, torch.tensor(1.0), batch("a", "b"), waited=0.0)
    meter.add(2, torch.tensor(2.0), batch("a", failures=(failure,)), waited=0.0)
    interval = meter.close_interval()
    assert (interval.loss, interval.reads, interval.waiting) == (1.5, 3, 0.0)
    assert [str(told) for told in interval.failures] == ["c.mp4: is empty"]
    meter.add(3, torch.tensor(4.0), batch("a"), waited=0.0)
    assert meter.close_interval()[:3] == (4.0, 1, ())


def test_a_loss_that_is_no_number_names_step_and_recordings() -> None:
    meter = Meter()
    meter.add(4, torch.tensor(1.0), batch("a"), 0.0)
    meter.add(5, torch.tensor(float("nan")), batch("c.mp4", "b.mp4"), 0.0)
    meter.add(6, torch.tensor(float("inf")), batch("d"), 0.0)
    with pytest.raises(NonFiniteLoss, match=r"step 5: .* on clips of b.mp4, c.mp4; lower"):
        meter.close_interval()


def test_peaks_are_known_by_name() -> None:
    assert peak_flops("NVIDIA H200") == 989e12
    assert peak_flops("CPU") is None
    assert 0.01 < memory_gib(torch.device("cpu")) < 100
