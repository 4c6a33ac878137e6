"""A recording in other bytes is found; another recording, a still or a black one is not."""

import base64
from pathlib import Path

import numpy as np
import pytest

from tests.video.near_duplicates.disguises import DISGUISES, FOLDER_FPS, is_similar
from video.check.examine import examine
from video.encode import AS_RECORDED, write_h264
from video.near_duplicates.pairs import count_incomparable, similar_between, similar_within
from video.open_source import open_verified
from video.recording import Recording


def checked(path: Path) -> Recording:
    return examine(str(path), "pyav", FOLDER_FPS, lambda _: None).recording


def opened(path: Path, cache: Path) -> Recording:
    return open_verified(str(path), "pyav", FOLDER_FPS, cache, lambda _: None)


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_recording_in_other_bytes_is_found(
    disguise: str, two_recordings: tuple[Path, Path], tmp_path: Path
) -> None:
    file, unrelated = two_recordings
    original, other = checked(file), checked(unrelated)
    disguised = DISGUISES[disguise](file, tmp_path / "x")
    for found in (checked(disguised), opened(disguised, tmp_path / "cache")):
        assert not found.contents & original.contents, "the digest finds it already"
        assert is_similar(original, found)
        assert is_similar(opened(file, tmp_path / "cache"), found)
        assert not is_similar(other, found)


def written(file: Path, images: list[np.ndarray]) -> Recording:
    write_h264(file, ((n / 25, image) for n, image in enumerate(images)), 25, AS_RECORDED)
    return checked(file)


def test_black_constant_and_still_recordings_match_nothing(tmp_path: Path) -> None:
    still = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    still = still.repeat(12, axis=0).repeat(12, axis=1)
    images = {"black": np.zeros_like(still), "grey": np.full_like(still, 128), "still": still}
    recordings = [
        written(tmp_path / f"{name}{copy}.mp4", [image] * 100)
        for name, image in images.items()
        for copy in range(2)
    ]
    assert list(similar_within([each.fingerprint for each in recordings])) == []
    # a still image has a fingerprint, the others show nothing
    assert count_incomparable([each.fingerprint for each in recordings]) == 4


def test_a_title_that_two_recordings_share_is_no_match(
    two_recordings: tuple[Path, Path], tmp_path: Path
) -> None:
    from video.readers.probe import probe
    from video.readers.sequential import SequentialDecoder

    title = np.random.default_rng(1).integers(0, 255, (6, 8, 3), np.uint8)
    title = title.repeat(12, axis=0).repeat(12, axis=1)
    with_title = [
        written(
            tmp_path / file.name,
            [title] * 100 + [frame.pixels(72, 96) for frame in SequentialDecoder(probe(str(file)))],
        )
        for file in two_recordings
    ]
    assert not is_similar(*with_title)


@pytest.mark.parametrize(
    "text",
    ["", "2:AAAA", "1:", "1:%%%", "1:AAAA", "x", "1:" + base64.b64encode(bytes(12)).decode()],
)
def test_what_cannot_be_compared_is_counted_and_matches_nothing(text: str) -> None:
    assert count_incomparable([text, text]) == 2
    assert list(similar_between([text], [text])) == []
