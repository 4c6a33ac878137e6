"""What a recording shows is found in its packets, not in its header."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.video.check.test_time_stamps import examined, mpeg2
from tests.video.conftest import write
from video.clip_sampler import ClipSampler, SamplingPlan
from video.clip_spans import clip_spans
from video.config import Sampling
from video.open_source import open_source
from video.progress import show_progress
from video.readers.probe import probe
from video.recording import UnreadableVideo


def test_hours_between_frames_are_holes(tmp_path: Path) -> None:
    recording = probe(str(write(tmp_path / "x.mkv", [n * 10**9 for n in range(5)])))
    assert recording.seconds > 1e6
    assert recording.shown_seconds == pytest.approx(5 / recording.fps, rel=1e-3)
    assert (recording.frames, len(recording.holes)) == (5, 4)


def test_a_recording_is_read_for_as_long_as_it_has_frames(tmp_path: Path, steady: Path) -> None:
    write(tmp_path / "sparse.mkv", [n * 10**11 for n in range(5)])
    shutil.copy(steady, tmp_path)
    (tmp_path / "list.txt").write_text("sparse.mkv\nsteady.mp4\n")
    opened = open_source(tmp_path / "list.txt", "pyav", 1.0, 60, show_progress)
    assert [bool(clip_spans(r, 16, Sampling())) for r in opened.recordings] == [False, True]
    clamped = {"": SamplingPlan(Sampling(short_videos="clamp"))}
    reads = [ClipSampler([r], 16, clamped).reads_per_epoch for r in opened.recordings]
    assert reads == [1, 3]


@pytest.mark.parametrize("name", ["x.mkv", "x.mp4", "x.mov", "x.ts"])
def test_a_gap_is_found_without_decoding_as_check_finds_it(tmp_path: Path, name: str) -> None:
    stamps = [*range(0, 4000, 40), *range(994_000, 998_000, 40)]
    file = write(
        tmp_path / name,
        stamps,
    )
    measured = examined(file).recording
    recording = probe(str(file))
    assert recording.holes == measured.holes != ()
    assert recording.shown_seconds == pytest.approx(8.0, abs=0.1)
    assert (recording.fps, recording.frames) == (pytest.approx(25, rel=0.01), measured.frames)


def test_a_frame_rate_that_cannot_be_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "x.mp4", [n * 10**8 for n in range(5)], options={"bf": "0"})
    with pytest.raises(UnreadableVideo, match=r"x.mp4: has .* frames per second"):
        probe(str(file))


def joined(tmp_path: Path, suffix: str) -> Path:
    parts = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for part, frames in zip(parts, (60, 90), strict=True):
        if suffix in (".ts", ".vob"):
            mpeg2(part, frames)
        else:
            write(part, list(range(0, 40 * frames, 40)))
    contents = [part.read_bytes() for part in parts]
    for part in parts:
        part.unlink()
    (tmp_path / f"joined{suffix}").write_bytes(b"".join(contents))
    return tmp_path / f"joined{suffix}"


@pytest.mark.parametrize(
    ("suffix", "cure"),
    [
        (".ts", "ffmpeg -fflags +genpts -i IN"),
        (".vob", "ffmpeg -fflags +genpts -i IN"),
        (".mkv", "give its parts one by one"),
    ],
)
def test_joined_parts_whose_timestamps_begin_again_are_refused(
    tmp_path: Path, suffix: str, cure: str
) -> None:
    file = joined(tmp_path, suffix)
    for reading in (examined, lambda path: probe(str(path))):
        with pytest.raises(UnreadableVideo, match=r"its timestamps go back from .* to") as refused:
            reading(file)
        assert cure in str(refused.value)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs the program ffmpeg")
@pytest.mark.parametrize("suffix", [".ts", ".vob"])
def test_the_cure_puts_joined_parts_on_one_time_axis(tmp_path: Path, suffix: str) -> None:
    file, cured = joined(tmp_path, suffix), tmp_path / "cured.mkv"
    with pytest.raises(UnreadableVideo) as refused:
        probe(str(file))
    command = refused.value.reason.split("`")[1]
    words = command.replace("IN", str(file)).replace("OUT.mkv", str(cured)).split()
    subprocess.run([*words, "-loglevel", "error"], check=True, timeout=60)
    found = examined(cured)
    assert found.recording.holes == ()
    assert found.recording.frames == pytest.approx(150, abs=3)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_files_joined_byte_by_byte_are_refused(tmp_path: Path, suffix: str) -> None:
    part = write(tmp_path / f"a{suffix}", [n * 40 for n in range(50)])
    assert probe(str(part)).frames == 50
    both = tmp_path / f"both{suffix}"
    both.write_bytes(part.read_bytes() * 2)
    with pytest.raises(UnreadableVideo, match="is 2 files joined byte by byte"):
        probe(str(both))


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs the program ffmpeg")
def test_a_file_in_fragments_is_one_movie(tmp_path: Path) -> None:
    whole, file = write(tmp_path / "x.mp4", [n * 40 for n in range(50)]), tmp_path / "y.mp4"
    fragments = ["-movflags", "frag_keyframe+empty_moov", "-loglevel", "error"]
    command = ["ffmpeg", "-i", str(whole), "-c", "copy", *fragments, str(file)]
    subprocess.run(command, check=True, timeout=60)
    assert probe(str(file)).frames == 50
