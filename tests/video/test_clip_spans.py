"""Where clips may begin: inside what is usable, in proportion to motion if wished."""

import numpy as np
import pytest

from tests.video.conftest import made_up
from video.clip_sampler import ClipSampler, SamplingPlan
from video.clip_spans import (
    clip_seconds,
    frame_intervals,
    usable_seconds,
    usable_spans,
    why_no_clip,
)
from video.config import Sampling
from video.recording import Recording


def draws(
    recording: Recording, sampling: Sampling, frames: int = 4, seeds: int = 20
) -> list[tuple[float, ...]]:
    sampler = ClipSampler([recording], frames, {"": SamplingPlan(sampling)})
    return [
        sampler.draw(position, np.random.default_rng([position, seed])).times
        for position in range(sampler.reads_per_epoch)
        for seed in range(seeds)
    ]


def test_holes_black_and_frozen_spans_are_not_usable() -> None:
    recording = made_up(
        100.0,
        holes=((10.0, 20.0), (95.0, 100.0)),
        black=((0.0, 1.0), (18.0, 25.0)),
        frozen=((50.0, 51.0),),
    )
    everything = Sampling(skip_segments=())
    assert usable_spans(recording, everything) == [(0.0, 10.0), (20.0, 95.0)]
    assert usable_spans(recording, Sampling(skip_segments=("black",))) == [
        (1.0, 10.0),
        (25.0, 95.0),
    ]
    spans = [(2.0, 10.0), (26.0, 49.0), (52.0, 95.0)]
    assert usable_spans(recording, Sampling(margin=1.0)) == spans
    assert usable_seconds(recording, 4, Sampling(margin=1.0)) == pytest.approx(74.0)


def test_clips_stay_inside_one_usable_span_and_reach_its_ends() -> None:
    recording = made_up(30.0, holes=((10.0, 20.0),), black=((0.0, 2.0),))
    times = draws(recording, Sampling(stride=5))
    begins, ends = [t[0] for t in times], [t[-1] for t in times]
    assert all((t[0] >= 2 and t[-1] < 10) or t[0] >= 20 for t in times)
    assert min(begins) == pytest.approx(2.0, abs=0.2)
    assert max(e for e in ends if e < 15) == pytest.approx(10 - 0.04, abs=0.2)
    assert min(b for b in begins if b > 15) == pytest.approx(20, abs=0.2)
    assert max(ends) == pytest.approx(30 - 0.04, abs=0.2)


def test_spans_shorter_than_a_clip_are_not_sampled() -> None:
    recording = made_up(10.0, black=((0.3, 5.0),))
    assert clip_seconds(recording, 4, Sampling(stride=5)) == pytest.approx(0.64)
    assert all(times[0] >= 5 for times in draws(recording, Sampling(stride=5)))
    assert frame_intervals(made_up(10.0, black=((0.5, 9.6),)), 4, Sampling(stride=5)) == []


def test_a_short_recording_is_refused_clamped_or_looped() -> None:
    short = made_up(0.2)  # five frames
    assert frame_intervals(short, 8, Sampling(stride=1)) == []
    clamped = draws(short, Sampling(stride=1, short_videos="clamp"), frames=8)[0]
    assert [round(time * 25) for time in clamped] == [0, 1, 2, 3, 4, 4, 4, 4]
    looped = draws(short, Sampling(stride=1, short_videos="loop"), frames=8)[0]
    assert [round(time * 25) for time in looped] == [0, 1, 2, 3, 4, 0, 1, 2]
    within = made_up(10.0, holes=((0.0, 6.0), (6.2, 10.0)))
    looped = draws(within, Sampling(stride=1, short_videos="loop"), frames=8)[0]
    assert [round((time - 6) * 25) for time in looped] == [0, 1, 2, 3, 4, 0, 1, 2]


def test_motion_draws_clips_to_where_something_moves() -> None:
    recording = made_up(1000.0, motion="0090")
    sampling = Sampling(stride=5, motion_weight=1.0)
    times = np.array([t[0] for t in draws(recording, sampling, seeds=5)])
    counts = np.bincount((times // 250).astype(int), minlength=4) / len(times)
    expected = np.array([0.05, 0.05, 1.0, 0.05]) / 1.15
    np.testing.assert_allclose(counts, expected, atol=0.02)
    even = np.array([t[0] for t in draws(recording, Sampling(stride=5), seeds=5)])
    np.testing.assert_allclose(np.bincount((even // 250).astype(int)) / len(even), 0.25, atol=0.02)


def test_seconds_not_frames_decide() -> None:
    spans = {
        fps: {round(t[-1] - t[0], 6) for t in draws(made_up(20.0, fps), Sampling(frame_rate=5))}
        for fps in (25.0, 30000 / 1001, 50.0, 60.0)
    }
    assert set(map(tuple, spans.values())) == {(0.6,)}


def test_weights_and_sampling_belong_to_sources() -> None:
    recordings = [made_up(1000.0, source="a"), made_up(1000.0, source="b")]
    plans = {
        "a": SamplingPlan(Sampling(frame_rate=4), 3.0),
        "b": SamplingPlan(Sampling(frame_rate=4)),
    }
    sampler = ClipSampler(recordings, 4, plans)
    places = [sampler.draw(n, np.random.default_rng(n)) for n in range(sampler.reads_per_epoch)]
    assert np.bincount([place.recording for place in places]).tolist() == [3000, 1000]
    slower = plans | {"b": SamplingPlan(Sampling(frame_rate=1))}
    sampler = ClipSampler(recordings, 4, slower)
    assert sampler.reads_per_epoch == 3000 + 250
    assert np.diff(sampler.draw(3100, np.random.default_rng(0)).times) == pytest.approx(1.0)


def test_a_recording_without_clips_says_whether_it_is_blank_or_short() -> None:
    sampling = Sampling(stride=5)
    black = why_no_clip(made_up(10.0, black=((0.0, 10.0),)), 4, sampling)
    assert black == ("is black from begin to end", True)
    both = why_no_clip(made_up(10.0, black=((0.0, 4.0),), frozen=((4.0, 10.0),)), 4, sampling)
    assert both == ("is black or frozen from begin to end", True)
    spots = why_no_clip(made_up(10.0, black=((0.5, 9.6),)), 4, sampling)
    assert spots == ("has no segment of 0.64 s, a clip, that is not black", True)
    holes = why_no_clip(made_up(10.0, holes=((0.5, 9.6),)), 4, sampling)
    assert holes == ("has no usable segment of 0.64 s, the length of a clip", False)
    assert why_no_clip(made_up(0.2), 4, sampling) == ("is 0.20 s long, a clip 0.64 s", False)
