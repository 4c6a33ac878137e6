"""Frames of labelled clips: upstream's uniform ones, and properties of the others."""

import json
from pathlib import Path

import numpy as np
import pytest

from finetune.data.clip_sampling import ClipSampling, Interval

RECORDED = json.loads((Path(__file__).parent / "fixtures/public_clip_sampling.json").read_text())


def whole(frames: int, fps: float = 25.0) -> Interval:
    return Interval(0.0, frames / fps, fps, (frames - 1) / fps)


def indices(times: np.ndarray, stretch: Interval) -> list[int]:
    return np.rint((times - stretch.begin) * stretch.fps).astype(int).ravel().tolist()


@pytest.mark.parametrize("task", ["sa160", "cvs"])
def test_uniform_frames_are_upstreams(task: str) -> None:
    """Where upstream fails on a clip that is too short, the last frame is repeated, as elsewhere
    in upstream."""
    assert len(RECORDED[task]) == 14
    for case, expected in RECORDED[task].items():
        stretch = whole(int(case.split(",")[0]))
        frames = int(case.split(",")[1])
        wanted = RECORDED["cvs"][case] if expected == "ValueError" else expected
        sampling = ClipSampling("uniform")
        training = sampling.training_times(stretch, frames, np.random.default_rng(0))
        assert indices(training, stretch) == wanted, case
        assert indices(sampling.test_times(stretch, frames, 3), stretch) == wanted


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("frames", [1, 5, 40, 400])
@pytest.mark.parametrize("begin", [0.0, 3.0])
def test_no_frame_lies_outside_and_they_ascend(kind: str, frames: int, begin: float) -> None:
    stretch = Interval(begin, begin + frames / 25, 25.0, 20.0)
    sampling = ClipSampling(kind)
    times = [sampling.training_times(stretch, 8, np.random.default_rng(i)) for i in range(20)]
    views = sampling.test_times(stretch, 8, 5)
    for found in [*times, *views]:
        assert found.min() >= begin - 1e-9
        assert found.max() <= min(begin + (frames - 1) / 25, 20.0) + 1e-9
        assert (np.diff(found) >= 0).all()
    if frames == 400:
        assert len({tuple(found[0]) for found in times}) == 20
        assert len({tuple(view[0]) for view in views}) == 5


def test_dense_views_lie_from_beginning_to_end_and_one_in_the_middle() -> None:
    stretch, sampling = whole(100), ClipSampling("dense", stride=2)
    views = sampling.test_times(stretch, 16, 3)[:, 0]
    assert [indices(view, stretch)[0] for view in views] == [0, 34, 69]
    assert indices(views[2], stretch)[-1] == 99
    (one,) = sampling.test_times(stretch, 16, 1)
    assert indices(one, stretch)[0] == 34


def test_a_frame_rate_is_of_time_not_of_frames() -> None:
    sampling = ClipSampling("dense", frame_rate=5.0)
    for fps in (25.0, 50.0):
        (times,) = sampling.test_times(whole(round(4 * fps), fps), 8, 1)
        np.testing.assert_allclose(np.diff(times), 0.2, atol=1 / fps)


def test_sparse_training_draws_each_part_and_a_test_takes_its_middle() -> None:
    stretch, sampling = whole(80), ClipSampling("sparse")
    seen = [set() for _ in range(8)]
    for seed in range(200):
        (times,) = sampling.training_times(stretch, 8, np.random.default_rng(seed))
        for part, index in enumerate(indices(times, stretch)):
            seen[part].add(index)
    assert [sorted(part) for part in seen] == [list(range(i, i + 10)) for i in range(0, 80, 10)]
    (one,) = sampling.test_times(stretch, 8, 1)
    assert indices(one, stretch) == list(range(5, 80, 10))
    two = sampling.test_times(stretch, 8, 2)
    assert indices(two[:, 0, 0], stretch) == [2, 7]


def test_segments_each_have_their_part() -> None:
    stretch, sampling = whole(300), ClipSampling("dense", stride=4, segments=3)
    for seed in range(20):
        times = sampling.training_times(stretch, 16, np.random.default_rng(seed))
        assert times.shape == (3, 16)
        for part, row in enumerate(times):
            assert min(indices(row, stretch)) >= part * 100
            assert max(indices(row, stretch)) < (part + 1) * 100
    assert sampling.test_times(stretch, 16, 5).shape == (5, 3, 16)


@pytest.mark.parametrize(
    "fields",
    [
        {"stride": 2, "frame_rate": 5.0},
        {"kind": "uniform", "stride": 2},
        {"kind": "sparse", "segments": 3},
    ],
)
def test_what_a_kind_has_not_is_refused(fields: dict) -> None:
    with pytest.raises(ValueError, match="drop"):
        ClipSampling(**fields)
