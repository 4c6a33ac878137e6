"""Labelled samples as clips: the right label, one crop, and a report of failures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from encoder.config import EncoderConfig
from finetune.augment.config import ClipAugmentation
from finetune.data.clip_sampling import ClipSampling
from finetune.data.labelled_set import label_recordings
from finetune.data.samples import LabelledSamples, SampledTrack
from finetune.data.windows import WindowSampling
from launch.rng import sample_rng
from video.labels.align import LabelTrack
from video.open_source import open_verified

PLAIN = ClipAugmentation(scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=False)
ENCODER = EncoderConfig(embed_dim=32, depth=1, num_heads=2, num_frames=4, image_size=48)


@pytest.fixture(scope="module")
def tracks(operations: Path, tmp_path_factory: pytest.TempPathFactory) -> list[LabelTrack]:
    cache = tmp_path_factory.mktemp("cache")
    recordings = [
        open_verified(str(path), "pyav", 1.0, cache, lambda *_: None)
        for path in sorted(operations.glob("*.mp4"))
    ]
    return label_recordings(recordings, operations, None).tracks["train"]


def samples(
    tracks: list[LabelTrack], augmentation: ClipAugmentation = PLAIN, copies: int = 1
) -> LabelledSamples:
    window = WindowSampling(step_seconds=0.2)
    return LabelledSamples([SampledTrack(t, window) for t in tracks], ENCODER, augmentation, copies)


def rng(epoch: int = 0):
    return lambda sample, stream: sample_rng(0, epoch, sample, stream)


def test_every_labelled_timestamp_is_there_once_with_its_label(tracks: list[LabelTrack]) -> None:
    labels = tracks[0].labels.copy()
    labels[2] = -1
    given = [tracks[0]._replace(labels=labels), tracks[1]]
    numbered = samples(given)
    expected = [label for track in given for label in track.labels.tolist() if label >= 0]
    assert len(numbered) == len(expected) == 11
    found = [numbered.read(i, rng()) for i in range(len(numbered))]
    assert [int(each.label) for each in found] == expected
    assert all(each.clips.shape == (1, 1, 4, 48, 48, 3) and not each.failures for each in found)
    classes = max(expected) + 1
    assert numbered.counts(classes).tolist() == np.bincount(expected, minlength=classes).tolist()


def test_a_clip_is_a_function_of_its_position_and_epoch(tracks: list[LabelTrack]) -> None:
    numbered = samples(tracks, ClipAugmentation())
    one, two, other = (numbered.read(3, rng(epoch)).clips for epoch in (0, 0, 1))
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_copies_are_cropped_differently_from_one_decoded_clip(tracks: list[LabelTrack]) -> None:
    found = samples(tracks, ClipAugmentation(), copies=3).read(2, rng())
    assert found.clips.shape == (3, 1, 4, 48, 48, 3)
    assert not torch.equal(found.clips[0], found.clips[1])
    plain = samples(tracks, copies=3).read(2, rng())
    assert torch.equal(plain.clips[0], plain.clips[2])


def test_all_frames_have_the_same_crop(tracks: list[LabelTrack]) -> None:
    """At the beginning of a recording one frame is repeated, and its crops are equal."""
    clip = samples(tracks, ClipAugmentation()).read(0, rng()).clips[0, 0]
    assert torch.equal(clip[0], clip[3]) and clip.float().std() > 1


def test_several_labels_a_sample_and_segments(tracks: list[LabelTrack]) -> None:
    many = np.array([[1, 0, -1], [0, 1, 1], [-1, -1, -1]])
    track = LabelTrack(tracks[0].recording, np.zeros(3), many, 0, 0, np.full(3, 6.0))
    sampled = SampledTrack(track, ClipSampling("dense", frame_rate=5.0, segments=2))
    numbered = LabelledSamples([sampled], ENCODER, PLAIN)
    assert len(numbered) == 2 and numbered.counts(3).tolist() == [1, 1, 1]
    found = numbered.read(1, rng())
    assert found.label.tolist() == [0, 1, 1] and found.clips.shape == (1, 2, 4, 48, 48, 3)


def test_an_unreadable_sample_is_reported_and_replaced_with_the_others_label(
    tracks: list[LabelTrack], tmp_path: Path
) -> None:
    gone = replace(tracks[0].recording, path=str(tmp_path / "gone.mp4"))
    numbered = samples([tracks[0]._replace(recording=gone), tracks[1]])
    first = numbered.read(0, rng())
    assert first.path == tracks[1].recording.path and len(first.failures) >= 1
    assert all("gone.mp4" in str(failure) for failure in first.failures)
    again = numbered.read(0, rng())
    assert torch.equal(first.clips, again.clips) and first.label == again.label
    whole = samples([tracks[1]])
    same = [whole.read(i, rng()) for i in range(len(whole))]
    assert any(torch.equal(each.clips, first.clips) and each.label == first.label for each in same)


def test_without_any_readable_sample_there_are_no_clips(
    tracks: list[LabelTrack], tmp_path: Path
) -> None:
    gone = replace(tracks[0].recording, path=str(tmp_path / "gone.mp4"))
    found = samples([tracks[0]._replace(recording=gone)]).read(0, rng())
    assert len(found.clips) == 0 and len(found.failures) == 20


def test_a_try_that_hung_is_skipped_and_leaves_the_others_unchanged(
    tracks: list[LabelTrack],
) -> None:
    found = samples(tracks).read(0, rng(), hung={0})
    assert len(found.failures) == 1 and "hung" in str(found.failures[0])
    both = samples(tracks).read(0, rng(), hung={0, 1})
    assert len(both.failures) == 2
