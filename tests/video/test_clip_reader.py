"""Reads are deterministic; unreadable clips are replaced and reported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from launch.rng import sample_rng
from tests.video.conftest import number_of
from video.clip_reader import MAX_TRIES, ClipRead, ClipReader
from video.clip_sampler import ClipSampler, SamplingPlan
from video.config import Augmentation, Sampling
from video.readers.probe import probe
from video.readers.registry import READERS, Reader
from video.recording import Recording

PLANS = {"": SamplingPlan(Sampling(stride=3))}
WHOLE = Augmentation(scales=(1.0,))


def rng(sample: int, stream: str) -> np.random.Generator:
    return sample_rng(0, 0, sample, stream)


def reader(
    recordings: list[Recording], augmentation: Augmentation = WHOLE, copies: int = 1
) -> ClipReader:
    sampler = ClipSampler(recordings, 4, PLANS)
    return ClipReader(recordings, sampler, augmentation, 48, 64, copies)


@pytest.fixture
def recording(steady: Path) -> Recording:
    return probe(str(steady))


def test_a_clip_has_the_frames_of_its_location(recording: Recording) -> None:
    place = ClipSampler([recording], 4, PLANS).draw(7, rng(7, "clip"))
    read = reader([recording]).read(7, rng)
    assert read.clips.shape == (1, 4, 48, 64, 3)
    assert read.clips.dtype == torch.uint8
    assert [number_of(frame) for frame in read.clips[0].numpy()] == [
        round(time * 25) for time in place.times
    ]
    assert (read.path, read.failures) == (recording.path, ())


def test_copies_are_crops_of_the_same_frames(recording: Recording) -> None:
    clips = reader([recording], Augmentation(flip=True), copies=4).read(3, rng).clips
    assert len(clips) == 4
    assert any(not torch.equal(clips[0], other) for other in clips[1:])
    again = reader([recording], Augmentation(flip=True), copies=4).read(3, rng).clips
    assert torch.equal(clips, again)
    single = reader([recording], Augmentation(flip=True), copies=1).read(12, rng)
    assert single.clips.shape[0] == 1


def test_an_unreadable_clip_is_reported_and_replaced_deterministically(
    recording: Recording,
) -> None:
    gone = replace(recording, path="/gone.mp4")
    mixed = [gone, recording]

    def read_all() -> list[ClipRead]:
        positions = range(ClipSampler(mixed, 4, PLANS).reads_per_epoch)
        return [reader(mixed).read(position, rng) for position in positions]

    reads = read_all()
    half = len(reads) // 2
    assert all(read.failures for read in reads[:half])
    assert not any(read.failures for read in reads[half:])
    assert {read.path for read in reads} == {recording.path}
    assert {failure.path for read in reads for failure in read.failures} == {"/gone.mp4"}
    for first, second in zip(reads, read_all(), strict=True):
        assert torch.equal(first.clips, second.clips)
        assert len(first.failures) == len(second.failures)


def read_oddly(*_: object) -> None:
    raise KeyError("odd")


def test_whatever_a_reader_raises_costs_only_that_clip(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(READERS, "odd", Reader(f"{__name__}:read_oddly"))
    odd = replace(recording, path="/odd.mp4", reader="odd")
    read = reader([odd, recording]).read(0, rng)
    assert read.path == recording.path
    assert read.failures[0].reason.startswith("cannot be read (KeyError at test_clip_reader.py:")


def test_a_disk_that_is_gone_ends_the_search(recording: Recording) -> None:
    gone = replace(recording, path="/gone.mp4")
    read = reader([gone]).read(0, rng)
    assert read.clips.shape == (0, 4, 48, 64, 3)
    assert len(read.failures) == MAX_TRIES
