"""Leaks: recordings of different parts, sets, or of pretraining that are the same or look alike."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from finetune.data.leaks import require_separate_parts, require_unseen
from finetune.data.splits import SplitError
from tests.video.near_duplicates.disguises import DISGUISES
from video.near_duplicates.fingerprint import Fingerprint
from video.open_source import open_verified
from video.recording import Recording


def fingerprint(seed: int, later: float = 0.0) -> str:
    hashes = np.random.default_rng(seed).integers(0, 256, (60, 8), np.uint8)
    return Fingerprint(np.arange(60) / 4 + later, hashes).text()


def recording(name: str, seed: int | None = None, **known: str) -> Recording:
    looks = {} if seed is None else {"fingerprint": fingerprint(seed)}
    known = {"content": f"content of {name}", **looks, **known}
    return Recording(f"/videos/{name}", "pyav", 25.0, 250, 10.0, 64, 64, 0.0, **known)


A, B, C = recording("a.mp4", 1), recording("b.mp4", 2), recording("c.mp4", 3)
A_CUT = recording("x.mkv", fingerprint=fingerprint(1, 3.0))
A_COPY = replace(A, path="/elsewhere/copy.mp4")


def test_parts_without_leaks_give_no_warning() -> None:
    assert require_separate_parts({"": {"train": [A, B], "test": [C]}}, False) == []
    assert require_unseen({"train": [A], "test": [C]}, [A.identity(), B.identity()], False) == []


@pytest.mark.parametrize("parts", [("train", "val"), ("train", "test"), ("val", "test")])
def test_parts_that_look_alike_are_refused_with_the_pair_and_the_key(
    parts: tuple[str, str],
) -> None:
    split = {parts[0]: [B, A], parts[1]: [C, A_CUT]}
    message = rf"/videos/x\.mkv in {parts[1]} looks like \(3\.0 s later, 60 frames .*\) "
    message += rf"/videos/a\.mp4 in {parts[0]}; .* set data\.allow_similar=true if they show"
    with pytest.raises(SplitError, match=message):
        require_separate_parts({"": split}, False)
    (warning,) = require_separate_parts({"": split}, True)
    assert warning.startswith("warning: /videos/x.mkv") and "data.allow_similar" in warning


def test_the_same_part_may_have_recordings_that_look_alike() -> None:
    assert require_separate_parts({"": {"train": [A, A_CUT], "test": [C]}}, False) == []


def test_different_sets_are_compared_by_content_and_look() -> None:
    sets = {"ours": {"train": [A]}, "public": {"train": [B], "test": [A_COPY]}}
    message = r"copy\.mp4 in test of public is the same recording as /videos/a\.mp4 in train"
    with pytest.raises(SplitError, match=message):
        require_separate_parts(sets, False)
    assert len(require_separate_parts(sets, True)) == 1
    # within a set, the set itself decides, for clips that do not overlap
    assert require_separate_parts({"": {"train": [A], "test": [A_COPY]}}, False) == []
    sets["public"]["test"] = [A_CUT]
    with pytest.raises(SplitError, match=r"x\.mkv in test of public looks like"):
        require_separate_parts(sets, False)


@pytest.mark.parametrize("part", ["val", "test"])
def test_recordings_of_pretraining_are_refused(part: str) -> None:
    parts = {"train": [B], part: [A]}
    require_unseen(parts, [{"path": "x.mp4", "content": "content of b.mp4"}], False)
    for entry in (
        {"path": "renamed.mp4", "content": A.content},
        {"path": "y.frames", "content": "q", "original_content": A.content},
    ):
        for allow_similar in (False, True):
            with pytest.raises(SplitError, match=rf"a\.mp4 is in {part}, and the encoder"):
                require_unseen(parts, [entry], allow_similar)


def test_recordings_that_look_like_those_of_pretraining_are_refused() -> None:
    parts = {"train": [B], "test": [C, A]}
    seen = [B.identity(), json.loads(json.dumps(A_CUT.identity()))]
    message = r"a\.mp4 in test looks like /videos/x\.mkv, on which .*set data\.allow_similar=true"
    with pytest.raises(SplitError, match=message):
        require_unseen(parts, seen, False)
    (warning,) = require_unseen(parts, seen, True)
    assert "looks like /videos/x.mkv" in warning


@pytest.mark.parametrize("content", ["", "other bytes"])
def test_a_name_alone_is_a_warning(content: str) -> None:
    parts = {"test": [replace(A, content=content)]}
    seen = [{"path": "/other/a.mp4", "content": "c", "fingerprint": fingerprint(9)}]
    (warning,) = require_unseen(parts, seen, False)
    assert warning.startswith("warning: /videos/a.mp4 in test has the name of a recording")


@pytest.mark.parametrize("text", ["", "2:later", "1:damaged", 5])
def test_what_cannot_be_compared_is_told_once(text: object) -> None:
    old = [{"path": f"/old/{n}.mp4", "content": f"c{n}", "fingerprint": text} for n in range(3)]
    (warning,) = require_unseen({"test": [A, B]}, [*old, C.identity()], False)
    assert warning.startswith("warning: 3 of 4 recordings of pretraining have no fingerprint")
    bare = {"train": [recording("d.mp4")], "test": [recording("e.mp4"), A]}
    (warning,) = require_separate_parts({"": bare}, False)
    assert warning.startswith("warning: 2 of 3 recordings have no fingerprint")


@pytest.mark.parametrize("disguise", ["without its start", "mirrored", "as a folder of frames"])
def test_a_disguised_recording_of_pretraining_is_refused_in_test(
    disguise: str, two_recordings: tuple[Path, Path], tmp_path: Path
) -> None:
    def opened(path: Path) -> Recording:
        return open_verified(str(path), "pyav", 5.0, tmp_path / "cache", lambda _: None)

    original, unrelated = map(opened, two_recordings)
    seen = json.loads(json.dumps([original.identity()]))
    assert require_unseen({"test": [unrelated]}, seen, False) == []
    with pytest.raises(SplitError, match="on which the encoder was pretrained"):
        require_unseen(
            {"test": [unrelated, opened(DISGUISES[disguise](two_recordings[0], tmp_path / "x"))]},
            seen,
            False,
        )
