"""Random access against sequential decoding: wrong readers are noticed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import video.readers.verify as verify
from tests.video.conftest import made_up, number_of, numbered_frame, write
from tests.video.readers.test_pyav_reader import REAL, REAL_CASES, VIDEOS
from video.readers.probe import probe
from video.readers.random_access import read_frames
from video.readers.reference_frames import decode_references
from video.readers.registry import READERS
from video.recording import Recording, UnreadableVideo


def chosen(recording: Recording, preferred: str) -> Recording:
    drawn = verify.draw_times(recording, np.random.default_rng(0), is_quick=True)
    groups, images, _ = decode_references(recording, drawn, lambda _: None)
    return verify.choose_reader(recording, preferred, groups, images, lambda _: None)


@pytest.mark.parametrize("preferred", ["pyav", "decord"])
def test_the_preferred_reader_is_chosen_where_it_is_right(steady: Path, preferred: str) -> None:
    recording = chosen(probe(str(steady)), preferred)
    assert (recording.reader, recording.verified) == (preferred, "14 positions")


@pytest.mark.parametrize(
    "stamps", [[40 * n for n in range(150)], [20 * n + n * n for n in range(150)]]
)
def test_decord_returns_frames_by_time(tmp_path: Path, stamps: list[int]) -> None:
    recording = probe(str(write(tmp_path / "x.mp4", stamps)))
    decord = replace(recording, reader="decord")
    times = [stamps[n] / 1000 for n in (0, 7, 50, 51, 149)]
    assert [number_of(f) for f in read_frames(decord, times, 48, 64)] == [0, 7, 50, 51, 149]
    with pytest.raises(UnreadableVideo, match="has no frame at"):
        read_frames(decord, [recording.seconds + 1], 48, 64)


def test_decord_fails_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_text("text")
    broken = Recording(str(tmp_path / "x.mp4"), "decord", 25.0, 9, 9.0, 64, 48, 0.0)
    with pytest.raises(UnreadableVideo, match="decord cannot read it"):
        read_frames(broken, [1.0], 48, 64)


@pytest.mark.parametrize("shift", [-3, -1, 1])
def test_a_reader_that_is_off_by_a_frame_is_not_chosen(
    steady: Path, monkeypatch: pytest.MonkeyPatch, shift: int
) -> None:
    def read(recording: Recording, times: list[float], rows: int, columns: int) -> np.ndarray:
        if recording.reader == "pyav":
            last = recording.seconds - 0.04
            times = sorted(min(max(time + shift * 0.04, 0.0), last) for time in times)
        return read_frames(recording, times, rows, columns)

    monkeypatch.setattr(verify, "read_frames", read)
    assert chosen(probe(str(steady)), "pyav").reader == "sequential"


@pytest.mark.parametrize("is_quick", [False, True])
def test_a_fault_at_one_position_in_twenty_is_found(
    monkeypatch: pytest.MonkeyPatch, is_quick: bool
) -> None:
    """The first picture that a read returns is that of the next frame, at one frame in twenty."""
    recording = made_up(3600.0)

    def frame(time: float) -> np.ndarray:
        return numbered_frame(round(time * 25) % 256)

    def read(recording: Recording, times: list[float], rows: int, columns: int) -> np.ndarray:
        is_wrong = recording.reader == "pyav" and round(times[0] * 25) % 20 == 0
        return np.stack([frame(times[0] + 0.04 * is_wrong), *map(frame, times[1:])])

    monkeypatch.setattr(verify, "read_frames", read)
    found = 0
    for seed in range(12):
        groups = verify.draw_times(recording, np.random.default_rng(seed), is_quick)
        images = [np.stack([frame(time) for time in times]) for times in groups]
        verified = verify.choose_reader(recording, "pyav", groups, images, lambda _: None)
        found += verified.reader != "pyav"
    assert found >= 11


def test_a_reader_that_fails_is_not_chosen_and_without_any_the_file_is_refused(
    steady: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = {"sequential"}

    def read(recording: Recording, times: list[float], rows: int, columns: int) -> np.ndarray:
        frames = read_frames(recording, times, rows, columns)
        return frames if recording.reader in right else frames ^ 1

    monkeypatch.setattr(verify, "read_frames", read)
    strict = replace(READERS["decord"], max_difference=0.5)
    monkeypatch.setitem(READERS, "decord", strict)
    assert chosen(probe(str(steady)), "pyav").reader == "sequential"
    right.clear()
    with pytest.raises(
        UnreadableVideo, match=r"no reader returns the right frames .pyav: returns altered"
    ):
        chosen(probe(str(steady)), "pyav")


@pytest.mark.soak
@pytest.mark.skipif(not REAL, reason="no real recordings at ../shared/videos")
def test_decord_is_not_chosen_where_it_is_known_to_be_wrong() -> None:
    file = VIDEOS / "open_suturing_pigleg/tests_pigleg_test2.mp4"
    assert chosen(probe(str(file)), "decord").reader != "decord"


@pytest.mark.skipif(not REAL, reason="no real recordings at ../shared/videos")
@pytest.mark.parametrize("file", REAL_CASES)
def test_a_reader_is_found_for_every_real_recording(file: Path) -> None:
    assert chosen(probe(str(file)), "pyav").reader in ("pyav", "sequential")
