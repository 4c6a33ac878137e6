"""Splits: parsed with line numbers, resolved to recordings, and without overlap."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from finetune.data.splits import SplitError, read_split, recordings_of
from video.recording import Recording


def recording(name: str, **more) -> Recording:
    return Recording(f"/videos/{name}", "pyav", 25.0, 250, 10.0, 64, 64, 0.0, **more)


RECORDINGS = [
    recording("VID68.mp4", content="c68"),
    recording("VID70.mp4", content="c70"),
    recording("VID75.frames", content="p75", original="/raw/VID75.mp4", original_content="c75"),
]


def written(folder: Path, text: str) -> Path:
    path = folder / "split.yaml"
    path.write_text(text)
    return path


def test_a_split_names_recordings_by_name_path_or_original(tmp_path: Path) -> None:
    path = written(tmp_path, "note: ours\ntrain: [VID68, /videos/VID70.mp4]\ntest:\n- VID75.mp4\n")
    parts = recordings_of(read_split(path), RECORDINGS, path)
    assert parts == {"train": RECORDINGS[:2], "test": RECORDINGS[2:]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: [a]\ntest: []\n", r"split\.yaml:2: test has no recordings"),
        ("train: [a]\nval:\n", r"split\.yaml:2: val has no recordings"),
        ("train:\n- a\n- b\ntest:\n- a\n", r"split\.yaml:5: a is in test, and in train at line 2"),
        ("train: [a, a]\n", r"split\.yaml:1: a is in train, and in train at line 1"),
        (
            "train: [a]\ntets: [b]\n",
            r"split\.yaml:2: tets: a split has no such key; did you mean test\?",
        ),
        ("train: [[a]]\n", r"split\.yaml:1: the name of a recording must be text"),
        ("- a\n", r"split\.yaml:1: a split has train, val, test"),
        ("val: [a]\n", "has neither train nor test"),
        ("train: [a\n", "is not YAML"),
        ("train: !!python/object/apply:os.system [ls]\n", r"split\.yaml:1: .* is a tag"),
        ("train: [a]\ntest: [b]\ntrain: [c]\n", r"split\.yaml:3: train is given twice"),
        ("train: " + "[" * 9999, r"split\.yaml:1: is nested more than 50 levels deep"),
        ("train: &x [*x]\n", r"split\.yaml:1: an anchor refers to itself"),
        ("train: a\n", r"split\.yaml:1: train must be a list, not 'a'"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SplitError, match=message) as caught:
        read_split(path)
    assert "\n" not in str(caught.value)


def test_names_are_read_as_they_are_written(tmp_path: Path) -> None:
    path = written(tmp_path, "train: [007, 10:00, yes, 1e3, 2026-11-28]\ntest: [1_000, off]\n")
    names = [entry.name for part in read_split(path).values() for entry in part]
    assert names == ["007", "10:00", "yes", "1e3", "2026-11-28", "1_000", "off"]


def test_a_pipe_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "split.yaml")
    with pytest.raises(SplitError, match="is not a regular file"):
        read_split(tmp_path / "split.yaml")


def test_a_missing_recording_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "train: [VID68]\ntest: [VID99]\n")
    with pytest.raises(SplitError, match=r"split\.yaml:2: the source has no recording VID99"):
        recordings_of(read_split(path), RECORDINGS, path)


def test_one_recording_under_two_names_is_found(tmp_path: Path) -> None:
    copies = [recording("a.mp4", content="same"), recording("b.mp4", content="same")]
    prepared = recording("p.frames", content="p", original="/videos/a.mp4", original_content="same")
    path = written(tmp_path, "train: [a]\ntest: [b]\n")
    with pytest.raises(SplitError, match=r"split\.yaml:2: b in test is the same recording as a"):
        recordings_of(read_split(path), copies, path)
    path = written(tmp_path, "train: [/videos/a.mp4]\nval: [p.frames]\n")
    with pytest.raises(SplitError, match=r"p\.frames in val is the same recording as /videos/a"):
        recordings_of(read_split(path), [copies[0], prepared], path)


def test_an_ambiguous_name_requires_the_path(tmp_path: Path) -> None:
    other = replace(RECORDINGS[0], path="/elsewhere/VID68.mp4", content="other")
    path = written(tmp_path, "train: [VID68]\n")
    with pytest.raises(SplitError, match=r"may be /videos/VID68\.mp4 or /elsewhere/VID68"):
        recordings_of(read_split(path), [RECORDINGS[0], other], path)
