"""What a test looks at: the right frames, read once, and none of the future."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.data.clip_sampling import ClipSampling
from finetune.data.samples import SampledTrack
from finetune.data.windows import WindowSampling
from finetune.inference.multi_view import (
    CLIPS,
    MOMENTS,
    MultiViewReader,
    SampleBatch,
    read_views,
    sample_batches,
)
from launch.distributed.process_group import Processes
from video.eval_crop import EvalCrop
from video.labels.align import LabelTrack
from video.open_source import open_verified
from video.readers.random_access import read_frames
from video.recording import Recording
from video.synthetic import synthesize

SIZE = (48, 48)


@pytest.fixture(scope="module")
def operation(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("long")
    synthesize(folder, 1, seconds=40, size=72, seed=0)
    return opened(folder / "operation01.mp4")


def opened(path: Path) -> Recording:
    return open_verified(str(path), "pyav", 1.0, path.parent / "cache", lambda *_: None)


def moments(
    recording: Recording, kind: str = "causal", frames: int = 8
) -> tuple[SampledTrack, MultiViewReader]:
    times = np.arange(0.0, recording.seconds)
    track = LabelTrack(recording, times, np.zeros(len(times), dtype=np.int64), 0, 0)
    return SampledTrack(track, WindowSampling(kind, 1.0)), MultiViewReader(
        EvalCrop(SIZE, "squeeze"), frames
    )


def clips_of(
    sampled: SampledTrack, viewing: MultiViewReader, first: int, stop: int
) -> torch.Tensor:
    views = viewing.read(sampled, SampleBatch(0, first, stop), 0)
    return views.clips(0, (stop - first) * viewing.num_views(sampled))


@pytest.mark.parametrize("kind", ["causal", "centred"])
def test_clips_are_those_of_a_read_for_each(operation: Recording, kind: str) -> None:
    sampled, viewing = moments(operation, kind)
    clips = clips_of(sampled, viewing, 0, 40)
    apart = [clips_of(sampled, viewing, i, i + 10) for i in range(0, 40, 10)]
    assert torch.equal(clips, torch.cat(apart))
    for moment in (0, 3, 20, 39):
        times = WindowSampling(kind, 1.0).times(
            float(moment), 8, operation.seconds - 1 / operation.fps
        )
        unique, order = np.unique(times, return_inverse=True)
        frames = torch.from_numpy(read_frames(operation, unique.tolist(), *SIZE))
        assert torch.equal(clips[moment], frames[torch.from_numpy(order)])


def test_every_frame_of_a_stretch_is_read_once(operation: Recording) -> None:
    sampled, viewing = moments(operation)
    views = viewing.read(sampled, SampleBatch(0, 0, 40), 0)
    assert len(views.frames) == 40 and views.frame_index.shape == (40, 1, 1, 8)
    assert views.readable.all() and not views.failures


def test_what_comes_later_cannot_reach_a_causal_clip(operation: Recording, tmp_path: Path) -> None:
    """The first half of the file alone gives the same clips of its moments."""
    import av

    half = tmp_path / "half.mp4"
    with av.open(operation.path) as source, av.open(str(half), "w") as target:
        given = source.streams.video[0]
        written = target.add_stream_from_template(given)
        for packet in source.demux(given):
            if packet.pts is not None and float(packet.pts * packet.time_base) < 20:
                packet.stream = written
                target.mux(packet)
    part = opened(half)
    assert 19 < part.seconds < 21
    whole, cut = (clips_of(*moments(each), 0, 15) for each in (operation, part))
    assert torch.equal(whole, cut)
    centred = [clips_of(*moments(each, "centred"), 0, 18) for each in (operation, part)]
    assert not torch.equal(*centred)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_frame_that_cannot_be_read_costs_its_windows_and_is_told(
    operation: Recording, tmp_path: Path, workers: int
) -> None:
    """Pictures, of which one is no picture: the windows that want it, and no other."""
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    for second in range(12):
        frame = read_frames(operation, [float(second)], 48, 64)[0]
        Image.fromarray(frame).save(folder / f"{second:06d}.jpg")
    recording = opened(folder)
    (folder / "000004.jpg").write_bytes(b"no picture")
    sampled, viewing = moments(recording, frames=3)
    questions = [SampleBatch(0, 0, 5), SampleBatch(0, 5, 12)]
    found = list(read_views([sampled], questions, [0, 1], viewing, workers, 60.0, Processes()))
    readable = np.concatenate([views.readable for views in found])
    assert readable.tolist() == [True] * 4 + [False] * 3 + [True] * 5
    failures = [failure for views in found for failure in views.failures]
    assert failures and all("000004.jpg" in str(failure) for failure in failures)
    shutil.rmtree(folder)


def test_a_reading_that_hung_costs_its_question_alone(operation: Recording) -> None:
    sampled, viewing = moments(operation)
    views = viewing.read(sampled, SampleBatch(0, 3, 9), 0, timed_out=True)
    assert not views.readable.any() and len(views.readable) == 6
    assert "hung" in str(views.failures[0])


def test_segments_times_crops_are_the_views_of_a_clip(operation: Recording) -> None:
    track = LabelTrack(operation, np.array([2.0]), np.array([1]), 0, 0, np.array([30.0]))
    sampled = SampledTrack(track, ClipSampling("dense", frame_rate=5.0))
    viewing = MultiViewReader(EvalCrop(SIZE, "centre", crops=3), 8, clips=5)
    assert viewing.num_views(sampled) == 15
    views = viewing.read(sampled, SampleBatch(0, 0, 1), 0)
    clips = views.clips(0, 15)
    assert clips.shape == (15, 8, *SIZE, 3)
    crops = clips.unflatten(0, (3, 5))  # 72 x 96 pixels: crops at the left, the middle, the right
    assert not torch.equal(crops[0], crops[1]) and not torch.equal(crops[1], crops[2])
    whole = torch.from_numpy(read_frames(operation, [2.0], 48, 64))[0]
    for crop, left in enumerate((0, 8, 16)):
        assert torch.equal(crops[crop, 0, 0], whole[:, left : left + 48])
    single = MultiViewReader(EvalCrop(SIZE, "centre"), 8, clips=5).read(
        sampled, SampleBatch(0, 0, 1), 0
    )
    assert torch.equal(single.clips(0, 5), crops[1])


def test_questions_cover_every_sample_once(operation: Recording) -> None:
    times = np.arange(0.0, 300.0)
    labels = np.full(300, -1)
    labels[MOMENTS + 3] = 2
    long = SampledTrack(LabelTrack(operation, times, labels, 0, 0), WindowSampling())
    parts = LabelTrack(operation, times[:9], labels[:9], 0, 0, times[:9] + 1)
    clips = SampledTrack(parts, ClipSampling())
    questions = sample_batches([long, clips], labelled_only=False)
    asked = [(q.track, i) for q in questions for i in range(q.first, q.stop)]
    assert asked == [(0, i) for i in range(300)] + [(1, i) for i in range(9)]
    assert max(q.stop - q.first for q in questions if q.track == 1) == CLIPS
    few = sample_batches([long, clips], labelled_only=True)
    assert few == [SampleBatch(0, MOMENTS, 2 * MOMENTS)]
