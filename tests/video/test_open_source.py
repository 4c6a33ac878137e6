"""Sources: checked manifests are trusted, other recordings are verified and cached."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.video.conftest import damage_packets, number_of, two_streams, write, write_sound
from tests.video.readers.test_image_readers import folder_of
from video.check.examine import examine
from video.manifest import ManifestError, write_manifest
from video.open_source import OpenedSource, cache_folder, open_source
from video.readers.random_access import read_frames
from video.recording import LARGEST, WantedStream
from video.worker_processes import Event


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_folder()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sound recordings, one of them in a subfolder with an awkward name, and two broken."""
    folder = tmp_path / "videos"
    (folder / "säle, 1").mkdir(parents=True)
    write(folder / "a.mp4", [40 * n for n in range(100)])
    write(folder / "säle, 1/b c.mkv", [20 * n for n in range(100)])
    write_sound(folder / "sound.mp4")
    (folder / "text.mp4").write_text("x")
    return folder


def opened(source: Path, reader: str = "pyav", stream: WantedStream = LARGEST) -> OpenedSource:
    def show(events: Iterator[Event], jobs: object, what: str) -> Iterator[Event]:
        return (event for event in events if event.outcome is not None)

    return open_source(source, reader, 1.0, 60, show, stream)


def test_a_folder_is_verified_and_the_results_are_cached(cache: Path, folder: Path) -> None:
    first = opened(folder)
    assert [Path(r.path).name for r in first.recordings] == ["a.mp4", "b c.mkv"]
    assert [r.verified for r in first.recordings] == ["9 positions", "9 positions"]
    assert [Path(f.path).name for f in first.failures] == ["sound.mp4", "text.mp4"]
    cached = sorted(cache.iterdir())
    assert len(cached) == 2
    text = cached[0].read_text()
    cached[0].write_text(text.replace('"9 positions"', '"cached"'))
    (folder / "a.mp4").rename(folder / "moved.mp4")  # the content is the same
    again = opened(folder)
    assert sorted(r.verified for r in again.recordings) == ["9 positions", "cached"]
    assert {Path(r.path).name for r in again.recordings} == {"moved.mp4", "b c.mkv"}
    cached[0].write_text("{")
    assert [r.verified for r in opened(folder).recordings] == ["9 positions", "9 positions"]
    assert {r.reader for r in opened(folder, "decord").recordings} == {"decord"}


def test_a_manifest_is_trusted_while_sizes_are_unchanged(cache: Path, folder: Path) -> None:
    found = opened(folder).recordings
    known = [
        replace(recording, verified="all frames", bytes=Path(recording.path).stat().st_size)
        for recording in found
    ]
    manifest = folder.parent / "checked.csv"
    write_manifest(known, manifest)
    assert opened(manifest).recordings == known
    write_manifest(
        known, folder / "manifest.csv"
    )  # beside its recordings: the folder stands for it
    assert opened(folder).recordings == known
    with Path(known[0].path).open("ab") as file:
        file.write(b"x")
    with pytest.raises(ManifestError, match=r"1 changed \(.*a.mp4\) since they were checked"):
        opened(manifest)


@pytest.mark.parametrize("packets", [range(60, 75), range(30, 60), range(170, 190)])
def test_damage_costs_an_unchecked_recording_what_it_costs_a_checked_one(
    cache: Path, tmp_path: Path, steady: Path, packets: range
) -> None:
    hurt = damage_packets(steady, tmp_path / "hurt.mp4", packets)
    (recording,) = opened(hurt).recordings
    checked = examine(str(hurt), "pyav", 1.0, lambda progress: None).recording
    assert recording.holes or checked.seconds < recording.seconds  # which ends where damage begins
    for time in (number / 25 + 0.01 for number in range(200)):
        lost = any(begin <= time < end for begin, end in recording.holes)
        lost_in_checked = time > checked.seconds or any(a <= time < b for a, b in checked.holes)
        assert lost == lost_in_checked
        if not lost:
            (frame,) = read_frames(recording, [time], 48, 64)
            assert number_of(frame) == int(time * 25)


def test_a_stream_is_chosen_for_a_source_or_for_each_recording(cache: Path, folder: Path) -> None:
    two_streams(folder / "two.mkv", (4.0, 4.0))
    two_streams(folder / "other.mkv", (4.0, 4.0))
    rows = "path,stream\ntwo.mkv,0\nother.mkv,\na.mp4,\n"
    (folder / "list.csv").write_text(rows)

    def streams(stream: WantedStream) -> dict[str, int | None]:
        found = opened(folder / "list.csv", stream=stream)
        assert not found.failures
        return {Path(each.path).name: each.stream for each in found.recordings}

    assert streams(LARGEST) == {"two.mkv": 0, "other.mkv": 1, "a.mp4": None}
    assert streams(WantedStream(0)) == {"two.mkv": 0, "other.mkv": 0, "a.mp4": None}


def test_a_manifest_that_does_not_know_streams_is_no_answer_for_one(
    cache: Path, folder: Path
) -> None:
    rows = opened(folder / "a.mp4").recordings
    manifest = folder / "old.csv"
    write_manifest(rows, manifest)
    table = [line.split(",") for line in manifest.read_text().splitlines()]
    column = table[0].index("stream")
    manifest.write_text("".join(",".join(r[:column] + r[column + 1 :]) + "\n" for r in table))
    assert len(opened(manifest).recordings) == 1
    with pytest.raises(ManifestError, match=r"does not say which stream .*check --stream 1"):
        opened(manifest, stream=WantedStream(1))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("two.mkv,7", "two.mkv: has no video stream 7, only 0, 1; give one of these"),
        ("a.mp4,7", "a.mp4: has no video stream 7, only 0; give one of these"),
        ("images,0", "images: consists of images, it has no stream 0"),
    ],
)
def test_a_stream_that_a_recording_has_not_is_refused(
    cache: Path, folder: Path, row: str, message: str
) -> None:
    two_streams(folder / "two.mkv", (1.0, 1.0))
    folder_of(folder / "images", [1, 2, 3], "img_{:05d}.jpg")
    (folder / "list.csv").write_text(f"path,stream\n{row}\n")
    (failure,) = opened(folder / "list.csv").failures
    assert str(failure) == f"{folder}/{message}"


def test_a_stream_is_a_number_and_that_of_a_manifest_is_not_replaced(
    cache: Path, folder: Path
) -> None:
    (folder / "list.csv").write_text("path,stream\na.mp4,first\n")
    with pytest.raises(ManifestError, match=r"list.csv:2: stream 'first' is not the number"):
        opened(folder / "list.csv")
    two = two_streams(folder / "two.mkv", (1.0, 1.0))
    write_manifest(opened(two).recordings, folder / "checked.csv")
    with pytest.raises(ManifestError, match=r"two.mkv was checked with stream 1, and stream 0 is"):
        opened(folder / "checked.csv", stream=WantedStream(0))
    (failure,) = opened(folder / "a.mp4", stream=WantedStream(7)).failures  # for this file alone
    assert failure.reason == "has no video stream 7, only 0; give one of these"


def test_a_pipe_is_no_recording(cache: Path, folder: Path) -> None:
    os.mkfifo(folder / "pipe.mp4")
    reasons = {Path(each.path).name: each.reason for each in opened(folder).failures}
    assert reasons["pipe.mp4"] == "cannot be read (not a regular file)"
