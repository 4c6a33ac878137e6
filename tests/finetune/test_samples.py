"""Labelled moments as clips: the right label, one crop, and nothing lost silently."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.labels.joining import Track
from finetune.labels.labelled import label_recordings
from finetune.samples import LabelledMoments
from finetune.windows import Window
from launch.randomness import sample_rng
from video.config import Augmentation
from video.opening import open_verified

PLAIN = Augmentation(scales=(1.0,), max_distort=0)
SIZE = (48, 48)


@pytest.fixture(scope="module")
def tracks(operations: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Track]:
    cache = tmp_path_factory.mktemp("cache")
    recordings = [
        open_verified(str(path), "pyav", 1.0, cache, lambda *_: None)
        for path in sorted(operations.glob("*.mp4"))
    ]
    return label_recordings(recordings, operations, None).tracks["train"]


def moments(tracks: list[Track], **more) -> LabelledMoments:
    settings = {"window": Window(step_seconds=0.2), "frames": 4, "size": SIZE, **more}
    return LabelledMoments(tracks, augmentation=settings.pop("augmentation", PLAIN), **settings)


def rng(position: int, epoch: int = 0):
    return lambda stream: sample_rng(0, epoch, position, stream)


def test_every_labelled_moment_is_there_once_with_its_label(tracks: list[Track]) -> None:
    labels = tracks[0].labels.copy()
    labels[2] = -1
    given = [tracks[0]._replace(labels=labels), tracks[1]]
    numbered = moments(given)
    expected = [label for track in given for label in track.labels.tolist() if label >= 0]
    assert len(numbered) == len(expected) == 11
    found = [numbered.read(i, rng(i)) for i in range(len(numbered))]
    assert [each.label for each in found] == expected
    assert all(each.clip.shape == (1, 4, *SIZE, 3) and not each.failures for each in found)
    classes = max(expected) + 1
    assert numbered.counts(classes).tolist() == np.bincount(expected, minlength=classes).tolist()


def test_a_clip_is_a_function_of_its_position_and_epoch(tracks: list[Track]) -> None:
    numbered = moments(tracks, augmentation=Augmentation(flip=True), size=(32, 32))
    one, two, other = (numbered.read(3, rng(3, epoch)).clip for epoch in (0, 0, 1))
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_all_frames_are_cut_alike(tracks: list[Track]) -> None:
    """At the beginning of a recording one frame is repeated; its crops are equal."""
    clip = moments(tracks, augmentation=Augmentation(), size=(32, 32)).read(0, rng(0)).clip[0]
    assert torch.equal(clip[0], clip[3]) and clip.float().std() > 1


def test_what_cannot_be_read_is_told_and_replaced_with_its_own_label(
    tracks: list[Track], tmp_path: Path
) -> None:
    gone = replace(tracks[0].recording, path=str(tmp_path / "gone.mp4"))
    numbered = moments([tracks[0]._replace(recording=gone), tracks[1]])
    first = numbered.read(0, rng(0))
    assert first.path == tracks[1].recording.path and len(first.failures) >= 1
    assert all("gone.mp4" in str(failure) for failure in first.failures)
    again = numbered.read(0, rng(0))
    assert torch.equal(first.clip, again.clip) and first.label == again.label
    whole = moments([tracks[1]])
    same = [whole.read(i, rng(0)) for i in range(len(whole))]
    assert any(torch.equal(each.clip, first.clip) and each.label == first.label for each in same)


def test_where_nothing_can_be_read_there_is_nothing(tracks: list[Track], tmp_path: Path) -> None:
    gone = replace(tracks[0].recording, path=str(tmp_path / "gone.mp4"))
    found = moments([tracks[0]._replace(recording=gone)]).read(0, rng(0))
    assert len(found.clip) == 0 and found.label == -1 and len(found.failures) == 20


def test_a_try_that_hung_is_not_made_again(tracks: list[Track]) -> None:
    found = moments(tracks).read(0, rng(0), hung={0})
    assert len(found.failures) == 1 and "hung" in str(found.failures[0])
