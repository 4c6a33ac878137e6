"""Frames of labelled clips: SurgVISTA's recorded uniform ones, and properties of the others."""

import json
from pathlib import Path

import numpy as np
import pytest

from finetune.data.clip_sampling import ClipSampling
from finetune.data.interval import Interval

RECORDED = json.loads((Path(__file__).parent / "fixtures/public_clip_sampling.json").read_text())


def whole(frames: int, fps: float = 25.0) -> Interval:
    return Interval(0.0, frames / fps, fps, (frames - 1) / fps)


def indices(times: np.ndarray, interval: Interval) -> list[int]:
    return np.rint((times - interval.begin) * interval.fps).astype(int).ravel().tolist()


@pytest.mark.parametrize("task", ["sa160", "cvs"])
def test_uniform_frames_equal_the_recorded_ones(task: str) -> None:
    """On a clip that is too short, one recorded task fails; the last frame is repeated there, as in
    the other task."""
    assert len(RECORDED[task]) == 14
    for case, expected in RECORDED[task].items():
        interval = whole(int(case.split(",")[0]))
        frames = int(case.split(",")[1])
        frame_numbers = RECORDED["cvs"][case] if expected == "ValueError" else expected
        sampling = ClipSampling("uniform")
        training = sampling.training_times(interval, frames, np.random.default_rng(0))
        assert indices(training, interval) == frame_numbers, case
        assert indices(sampling.test_times(interval, frames, 3), interval) == frame_numbers


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("frames", [1, 5, 40, 400])
@pytest.mark.parametrize("begin", [0.0, 3.0])
def test_frames_ascend_within_the_interval(kind: str, frames: int, begin: float) -> None:
    interval = Interval(begin, begin + frames / 25, 25.0, 20.0)
    sampling = ClipSampling(kind)
    times = [sampling.training_times(interval, 8, np.random.default_rng(i)) for i in range(20)]
    views = sampling.test_times(interval, 8, 5)
    for found in [*times, *views]:
        assert found.min() >= begin - 1e-9
        assert found.max() <= min(begin + (frames - 1) / 25, 20.0) + 1e-9
        assert (np.diff(found) >= 0).all()
    if frames == 400:
        assert len({tuple(found[0]) for found in times}) == 20
        assert len({tuple(view[0]) for view in views}) == 5


def test_dense_views_are_spread_over_the_clip_and_a_single_one_is_central() -> None:
    interval, sampling = whole(100), ClipSampling("dense", stride=2)
    views = sampling.test_times(interval, 16, 3)[:, 0]
    assert [indices(view, interval)[0] for view in views] == [0, 34, 69]
    assert indices(views[2], interval)[-1] == 99
    (one,) = sampling.test_times(interval, 16, 1)
    assert indices(one, interval)[0] == 34


def test_a_frame_rate_counts_in_seconds() -> None:
    sampling = ClipSampling("dense", frame_rate=5.0)
    for fps in (25.0, 50.0):
        (times,) = sampling.test_times(whole(round(4 * fps), fps), 8, 1)
        np.testing.assert_allclose(np.diff(times), 0.2, atol=1 / fps)


def test_sparse_training_draws_each_part_and_a_test_takes_its_middle() -> None:
    interval, sampling = whole(80), ClipSampling("sparse")
    seen = [set() for _ in range(8)]
    for seed in range(200):
        (times,) = sampling.training_times(interval, 8, np.random.default_rng(seed))
        for part, index in enumerate(indices(times, interval)):
            seen[part].add(index)
    assert [sorted(part) for part in seen] == [list(range(i, i + 10)) for i in range(0, 80, 10)]
    (one,) = sampling.test_times(interval, 8, 1)
    assert indices(one, interval) == list(range(5, 80, 10))
    two = sampling.test_times(interval, 8, 2)
    assert indices(two[:, 0, 0], interval) == [2, 7]


def test_each_segment_has_its_own_part() -> None:
    interval, sampling = whole(300), ClipSampling("dense", stride=4, segments=3)
    for seed in range(20):
        times = sampling.training_times(interval, 16, np.random.default_rng(seed))
        assert times.shape == (3, 16)
        for part, row in enumerate(times):
            assert min(indices(row, interval)) >= part * 100
            assert max(indices(row, interval)) < (part + 1) * 100
    assert sampling.test_times(interval, 16, 5).shape == (5, 3, 16)


@pytest.mark.parametrize(
    "fields",
    [
        {"stride": 2, "frame_rate": 5.0},
        {"kind": "uniform", "stride": 2},
        {"kind": "sparse", "segments": 3},
    ],
)
def test_settings_of_another_kind_are_refused(fields: dict) -> None:
    with pytest.raises(ValueError, match=r"; set (frame_rate=null or )?(stride=null|segments=1)"):
        ClipSampling(**fields)
