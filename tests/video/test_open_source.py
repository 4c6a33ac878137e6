"""Sources: checked manifests are trusted, other recordings are verified and cached."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.video.conftest import damage_packets, number_of, write, write_sound
from video.check.examine import examine
from video.manifest import ManifestError, write_manifest
from video.open_source import OpenedSource, cache_folder, open_source
from video.readers.random_access import read_frames
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


def opened(source: Path, reader: str = "pyav") -> OpenedSource:
    def show(events: Iterator[Event], jobs: object, what: str) -> Iterator[Event]:
        return (event for event in events if event.outcome is not None)

    return open_source(source, reader, 1.0, 60, show)


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
