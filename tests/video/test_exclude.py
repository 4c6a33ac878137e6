"""Exclude lists: by path, by name, by content, and through the original of a prepared recording."""

from pathlib import Path

import pytest

from tests.video.conftest import made_up
from video.exclude import exclude
from video.fingerprint import content_digest
from video.manifest import ManifestError
from video.recording import Recording


def left_after(text: str, recordings: list[Recording], folder: Path) -> list[str]:
    file = folder / "exclude.txt"
    file.write_text(text)
    return [Path(recording.path).name for recording in exclude(recordings, file).included]


@pytest.fixture
def recordings(tmp_path: Path) -> list[Recording]:
    for name in ("video01.mp4", "video02.mp4", "copy.mp4"):
        content = "1" if name == "copy.mp4" else name[6]
        (tmp_path / name).write_text(content)
    made = [
        made_up(1.0, path=str(tmp_path / name), content=content_digest(str(tmp_path / name)))
        for name in ("video01.mp4", "video02.mp4", "copy.mp4")
    ]
    return [*made, made_up(1.0, path="/prepared/03.frames", original="/raw/video03.mov")]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("video02\n", ["video01.mp4", "copy.mp4", "03.frames"]),
        ("video02.mp4\n", ["video01.mp4", "copy.mp4", "03.frames"]),
        ("path,why\nvideo02.mp4,test\n", ["video01.mp4", "copy.mp4", "03.frames"]),
        ("video01.mp4\n", ["video02.mp4", "03.frames"]),  # and its copy
        ("video03\n", ["video01.mp4", "video02.mp4", "copy.mp4"]),
        ("/raw/video03.mov\n", ["video01.mp4", "video02.mp4", "copy.mp4"]),
        ("video0\n", ["video01.mp4", "video02.mp4", "copy.mp4", "03.frames"]),
    ],
)
def test_named_recordings_are_excluded(
    tmp_path: Path, recordings: list[Recording], text: str, left: list[str]
) -> None:
    assert left_after(text, recordings, tmp_path) == left


def test_unmatched_entries_are_reported(tmp_path: Path, recordings: list[Recording]) -> None:
    file = tmp_path / "exclude.txt"
    file.write_text("video02\nvideo99\n")
    outcome = exclude(recordings, file)
    assert [Path(recording.path).stem for recording in outcome.excluded] == ["video02"]
    assert outcome.unmatched == ["video99"]
    with pytest.raises(ManifestError, match="cannot be read as text"):
        exclude(recordings, tmp_path / "gone.txt")


def test_a_name_is_a_name_whatever_lies_beside_the_list(
    tmp_path: Path, recordings: list[Recording]
) -> None:
    (tmp_path / "lists/video02").mkdir(parents=True)
    left = left_after("video02", recordings, tmp_path / "lists")
    assert left == ["video01.mp4", "copy.mp4", "03.frames"]
