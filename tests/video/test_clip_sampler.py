"""Clips in proportion to duration, evenly over an epoch, to the last frame."""

import numpy as np
import pytest

from tests.video.conftest import made_up as recording
from video.clip_sampler import ClipSampler, SamplingPlan
from video.clip_spans import clip_seconds
from video.config import Sampling
from video.recording import Recording


def sampler_of(recordings: list[Recording], frames: int, sampling: Sampling) -> ClipSampler:
    return ClipSampler(recordings, frames, {"": SamplingPlan(sampling)})


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_long_recordings_give_clips_in_proportion() -> None:
    sampler = sampler_of([recording(7200), recording(10)], 16, Sampling(frame_rate=6.25))
    places = [sampler.draw(position, rng()) for position in range(sampler.reads_per_epoch)]
    counts = np.bincount([place.recording for place in places])
    assert counts.tolist() == [round(7200 / 2.56), round(10 / 2.56)]


def test_an_epoch_reads_every_interval_once() -> None:
    sampling = Sampling(frame_rate=6.25, seconds_per_clip=30)
    sampler = sampler_of([recording(3600)], 16, sampling)
    assert sampler.reads_per_epoch == 120
    begins = [sampler.draw(position, rng(position)).times[0] for position in range(120)]
    assert [int(begin / ((3600 - 2.44) / 120)) for begin in begins] == list(range(120))


def test_the_last_frame_can_be_drawn_and_none_behind_it() -> None:
    sampler = sampler_of([recording(4.0)], 16, Sampling(stride=4))
    draws = [sampler.draw(position, rng(seed)) for position in (0, 1) for seed in range(400)]
    ends = {round(place.times[-1] * 25) for place in draws}
    assert min(place.times[0] for place in draws) == 0
    assert max(ends) == 99
    assert ends == set(range(60, 100))


@pytest.mark.parametrize("fps", [25.0, 30000 / 1001, 50.0])
def test_stride_counts_frames_and_rate_counts_time(fps: float) -> None:
    by_stride = sampler_of([recording(20, fps)], 8, Sampling(stride=3)).draw(1, rng())
    numbers = np.array(by_stride.times) * fps
    np.testing.assert_allclose(np.diff(numbers), 3)
    np.testing.assert_allclose(numbers, np.round(numbers), atol=1e-6)
    by_rate = sampler_of([recording(20, fps)], 8, Sampling(frame_rate=6.25)).draw(1, rng())
    np.testing.assert_allclose(np.diff(by_rate.times), 0.16)


def test_a_clip_as_long_as_the_recording_fits() -> None:
    exact = recording(2.44)  # 61 frames: the last of 16 frames with stride 4 is the 61st
    assert clip_seconds(exact, 16, Sampling(stride=4)) == pytest.approx(2.44)
    place = sampler_of([exact], 16, Sampling(stride=4)).draw(0, rng())
    assert place.times[0] == 0
    assert place.times[-1] == pytest.approx(2.40)


def test_an_order_is_a_permutation_and_a_function_of_its_generator() -> None:
    sampler = sampler_of([recording(600)], 16, Sampling())
    order = sampler.order(rng(1))
    assert sorted(order.tolist()) == list(range(sampler.reads_per_epoch))
    assert (order == sampler.order(rng(1))).all()
    assert (order != sampler.order(rng(2))).any()


def test_two_ways_of_sampling_are_refused() -> None:
    with pytest.raises(ValueError, match=r"frame_rate \S+ and stride \d+ are both given"):
        Sampling(frame_rate=6.25, stride=4)
    assert Sampling().step_seconds(25) == 0.16
    assert Sampling(stride=4).step_seconds(50) == 0.08
