"""torchcodec in its exact mode, against PyAV, on recordings that are hard to seek in."""

from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import av
import numpy as np
import pytest

from tests.video.conftest import number_of, numbered_frame, turn, write
from tests.video.readers.test_pyav_reader import REAL, REAL_CASES
from tests.video.readers.test_verify import chosen
from video.readers.probe import probe
from video.readers.random_access import read_frames
from video.recording import Recording, UnreadableVideo

pytest.importorskip("torchcodec", reason="torchcodec is optional", exc_type=Exception)

READERS_COMPARED = ("pyav", "torchcodec")
STEADY = [40 * n for n in range(150)]
VARYING = [20 * n + n * n for n in range(150)]
CLOSED_GOP = {"g": "50", "bf": "3", "crf": "20"}
OPEN_GOP = {"g": "25", "bf": "3", "x264-params": "open-gop=1:b-pyramid=normal"}
ONE_KEY_FRAME = {"g": "9999"}


def by_torchcodec(file: Path) -> Recording:
    return replace(probe(str(file)), reader="torchcodec")


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("options", [CLOSED_GOP, ONE_KEY_FRAME], ids=["b_frames", "one_key_frame"])
@pytest.mark.parametrize("stamps", [STEADY, VARYING], ids=["steady", "varying"])
def test_frames_are_those_at_the_times(
    tmp_path: Path, suffix: str, options: dict[str, str], stamps: list[int]
) -> None:
    recording = by_torchcodec(write(tmp_path / f"x.{suffix}", stamps, options=options))
    for numbers in ([0, 7, 50, 51, 149], [24, 25, 26], [99, 99, 100], [3]):
        times = [stamps[n] / 1000 for n in numbers]
        assert [number_of(f) for f in read_frames(recording, times, 48, 64)] == numbers
    between = [(stamps[n] + stamps[n + 1]) / 2000 for n in (10, 60)]
    assert [number_of(f) for f in read_frames(recording, between, 48, 64)] == [10, 60]


@pytest.mark.parametrize("stamps", [STEADY, VARYING], ids=["steady", "varying"])
def test_open_gops_are_read_up_to_their_last_frame(tmp_path: Path, stamps: list[int]) -> None:
    recording = by_torchcodec(write(tmp_path / "x.mp4", stamps, options=OPEN_GOP))
    for numbers in ([0, 7, 50, 51, 140], [24, 25, 26], [3]):
        times = [stamps[n] / 1000 for n in numbers]
        assert [number_of(f) for f in read_frames(recording, times, 48, 64)] == numbers


@pytest.mark.parametrize("options", [CLOSED_GOP, OPEN_GOP], ids=["b_frames", "open_gop"])
def test_in_a_transport_stream_a_frame_is_right_or_the_read_fails(
    tmp_path: Path, options: dict[str, str]
) -> None:
    recording = by_torchcodec(write(tmp_path / "x.ts", STEADY, options=options))
    failures = 0
    for number in range(0, 150, 7):
        try:
            assert number_of(read_frames(recording, [number / 25], 48, 64)[0]) == number
        except UnreadableVideo as failure:
            failures += 1
            assert "torchcodec" in failure.reason
    assert chosen(probe(recording.path), "torchcodec").reader == (
        "pyav" if failures else "torchcodec"
    )


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotated_recordings_are_turned_upright_once(tmp_path: Path, degrees: int) -> None:
    with av.open(str(tmp_path / "x.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=CLOSED_GOP)
        stream.pix_fmt, stream.width, stream.height = "yuv420p", 64, 48
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    turn(tmp_path / "x.mp4", degrees)
    recording = probe(str(tmp_path / "x.mp4"))
    assert recording.rotation == degrees
    pyav, torchcodec = (
        read_frames(replace(recording, reader=reader), [1.0], *recording.shape)[0]
        for reader in READERS_COMPARED
    )
    assert np.abs(pyav.astype(int) - torchcodec).mean() < 8


def test_a_first_timestamp_other_than_zero_is_time_zero(tmp_path: Path) -> None:
    recording = by_torchcodec(write(tmp_path / "x.mkv", [5000 + stamp for stamp in STEADY]))
    assert [number_of(f) for f in read_frames(recording, [0.0, 1.0, 5.96], 48, 64)] == [0, 25, 149]


def test_the_last_frame_is_displayed_until_the_end_and_no_further(tmp_path: Path) -> None:
    recording = by_torchcodec(write(tmp_path / "x.mp4", STEADY))
    end = recording.seconds
    assert number_of(read_frames(recording, [end], 48, 64)[0]) == 149
    with pytest.raises(UnreadableVideo, match="has no frame at"):
        read_frames(recording, [end + 1], 48, 64)


def test_it_fails_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_text("text")
    broken = Recording(str(tmp_path / "x.mp4"), "torchcodec", 25.0, 9, 9.0, 64, 48, 0.0)
    with pytest.raises(UnreadableVideo, match="torchcodec cannot read it"):
        read_frames(broken, [1.0], 48, 64)


def _read_first(recording: Recording) -> int:
    return number_of(read_frames(recording, [1.0], 48, 64)[0])


def test_a_forked_worker_opens_a_decoder_of_its_own(tmp_path: Path) -> None:
    recording = by_torchcodec(write(tmp_path / "x.mp4", STEADY))
    read_frames(recording, [0.0], 48, 64)
    with get_context("fork").Pool(2) as pool:
        assert pool.map(_read_first, [recording] * 8) == [25] * 8
    assert number_of(read_frames(recording, [2.0], 48, 64)[0]) == 50


def test_it_is_chosen_where_it_is_preferred(steady: Path) -> None:
    recording = chosen(probe(str(steady)), "torchcodec")
    assert (recording.reader, recording.verified) == ("torchcodec", "7 positions")


@pytest.mark.skipif(not REAL, reason="no real recordings at ../shared/videos")
@pytest.mark.parametrize("file", REAL_CASES)
def test_real_recordings_are_read_as_by_pyav_or_by_another_reader(file: Path) -> None:
    recording = chosen(probe(str(file)), "torchcodec", places=2)
    assert recording.reader in ("torchcodec", "pyav", "sequential")
    if recording.reader == "torchcodec" and file.stat().st_size < 2e7:
        times = np.linspace(0, recording.seconds - 1 / recording.fps, 5).tolist()
        both = [read_frames(replace(recording, reader=r), times, 96, 128) for r in READERS_COMPARED]
        assert np.abs(both[0].astype(int) - both[1]).mean() < 8
