"""Test views have the right frames, each read once, and none of the future."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.data.clip_sampling import ClipSampling
from finetune.data.samples import SampledTrack
from finetune.data.windows import WindowSampling
from finetune.inference.multi_view import (
    CLIPS_PER_BATCH,
    TIMESTAMPS_PER_BATCH,
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


def at_timestamps(
    recording: Recording, kind: str = "causal", frames: int = 8
) -> tuple[SampledTrack, MultiViewReader]:
    times = np.arange(0.0, recording.seconds)
    track = LabelTrack(recording, times, np.zeros(len(times), dtype=np.int64), 0, 0)
    return SampledTrack(track, WindowSampling(kind, 1.0)), MultiViewReader(
        EvalCrop(SIZE, "resize"), frames
    )


def clips_of(sampled: SampledTrack, reader: MultiViewReader, first: int, stop: int) -> torch.Tensor:
    views = reader.read(sampled, SampleBatch(0, first, stop), 0)
    return views.clips(0, (stop - first) * reader.num_views(sampled))


@pytest.mark.parametrize("kind", ["causal", "centred"])
def test_clips_equal_those_of_separate_reads(operation: Recording, kind: str) -> None:
    sampled, reader = at_timestamps(operation, kind)
    clips = clips_of(sampled, reader, 0, 40)
    separate = [clips_of(sampled, reader, i, i + 10) for i in range(0, 40, 10)]
    assert torch.equal(clips, torch.cat(separate))
    for timestamp in (0, 3, 20, 39):
        times = WindowSampling(kind, 1.0).times(
            float(timestamp), 8, operation.seconds - 1 / operation.fps
        )
        unique, order = np.unique(times, return_inverse=True)
        frames = torch.from_numpy(read_frames(operation, unique.tolist(), *SIZE))
        assert torch.equal(clips[timestamp], frames[torch.from_numpy(order)])


def test_every_frame_of_a_batch_is_read_once(operation: Recording) -> None:
    sampled, reader = at_timestamps(operation)
    views = reader.read(sampled, SampleBatch(0, 0, 40), 0)
    assert len(views.frames) == 40 and views.frame_index.shape == (40, 1, 1, 8)
    assert views.readable.all() and not views.failures


def test_a_causal_clip_does_not_depend_on_later_frames(
    operation: Recording, tmp_path: Path
) -> None:
    """The first half of the file gives the same clips at its timestamps."""
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
    whole, cut = (clips_of(*at_timestamps(each), 0, 15) for each in (operation, part))
    assert torch.equal(whole, cut)
    centred = [clips_of(*at_timestamps(each, "centred"), 0, 18) for each in (operation, part)]
    assert not torch.equal(*centred)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_frame_makes_its_windows_unreadable_and_is_reported(
    operation: Recording, tmp_path: Path, workers: int
) -> None:
    """A folder of images, of which one is damaged: the windows with it, and no other."""
    from PIL import Image

    folder = tmp_path / "images"
    folder.mkdir()
    for second in range(12):
        frame = read_frames(operation, [float(second)], 48, 64)[0]
        Image.fromarray(frame).save(folder / f"{second:06d}.jpg")
    recording = opened(folder)
    (folder / "000004.jpg").write_bytes(b"no image")
    sampled, reader = at_timestamps(recording, frames=3)
    batches = [SampleBatch(0, 0, 5), SampleBatch(0, 5, 12)]
    found = list(read_views([sampled], batches, [0, 1], reader, workers, 60.0, Processes()))
    readable = np.concatenate([views.readable for views in found])
    assert readable.tolist() == [True] * 4 + [False] * 3 + [True] * 5
    failures = [failure for views in found for failure in views.failures]
    assert failures and all("000004.jpg" in str(failure) for failure in failures)
    shutil.rmtree(folder)


def test_a_read_that_timed_out_makes_its_batch_unreadable(operation: Recording) -> None:
    sampled, reader = at_timestamps(operation)
    views = reader.read(sampled, SampleBatch(0, 3, 9), 0, timed_out=True)
    assert not views.readable.any() and len(views.readable) == 6
    assert "hung" in str(views.failures[0])


def test_views_are_clips_in_time_times_crops(operation: Recording) -> None:
    track = LabelTrack(operation, np.array([2.0]), np.array([1]), 0, 0, np.array([30.0]))
    sampled = SampledTrack(track, ClipSampling("dense", frame_rate=5.0))
    reader = MultiViewReader(EvalCrop(SIZE, "center", crops=3), 8, clips=5)
    assert reader.num_views(sampled) == 15
    views = reader.read(sampled, SampleBatch(0, 0, 1), 0)
    clips = views.clips(0, 15)
    assert clips.shape == (15, 8, *SIZE, 3)
    crops = clips.unflatten(0, (3, 5))  # 72 x 96 pixels: crops at the left, centre and right
    assert not torch.equal(crops[0], crops[1]) and not torch.equal(crops[1], crops[2])
    whole = torch.from_numpy(read_frames(operation, [2.0], 48, 64))[0]
    for crop, left in enumerate((0, 8, 16)):
        assert torch.equal(crops[crop, 0, 0], whole[:, left : left + 48])
    single = MultiViewReader(EvalCrop(SIZE, "center"), 8, clips=5).read(
        sampled, SampleBatch(0, 0, 1), 0
    )
    assert torch.equal(single.clips(0, 5), crops[1])


def test_batches_cover_every_sample_once(operation: Recording) -> None:
    times = np.arange(0.0, 300.0)
    labels = np.full(300, -1)
    labels[TIMESTAMPS_PER_BATCH + 3] = 2
    long = SampledTrack(LabelTrack(operation, times, labels, 0, 0), WindowSampling())
    parts = LabelTrack(operation, times[:9], labels[:9], 0, 0, times[:9] + 1)
    clips = SampledTrack(parts, ClipSampling())
    batches = sample_batches([long, clips], labelled_only=False)
    samples = [(b.track, i) for b in batches for i in range(b.first, b.stop)]
    assert samples == [(0, i) for i in range(300)] + [(1, i) for i in range(9)]
    assert max(b.stop - b.first for b in batches if b.track == 1) == CLIPS_PER_BATCH
    few = sample_batches([long, clips], labelled_only=True)
    assert few == [SampleBatch(0, TIMESTAMPS_PER_BATCH, 2 * TIMESTAMPS_PER_BATCH)]
