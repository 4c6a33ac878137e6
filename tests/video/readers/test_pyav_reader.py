"""Frames by time in every container: equal to sequential decoding, or an error."""

import pickle
import subprocess
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from tests.video.conftest import number_of, write, write_sound
from video.discover import VIDEO_SUFFIXES
from video.readers.probe import probe
from video.readers.random_access import read_frames
from video.recording import Recording, UnreadableVideo

VIDEOS = Path(__file__).parents[3] / "../shared/videos"
REAL = sorted(p for p in VIDEOS.rglob("*") if p.suffix in VIDEO_SUFFIXES)
# the first of each source in the fast suite, the others in the soak
FIRST = {path.relative_to(VIDEOS).parts[0]: path for path in reversed(REAL)}.values()
REAL_CASES = [
    pytest.param(path, id=path.stem, marks=() if path in FIRST else pytest.mark.soak)
    for path in REAL
]


def numbers(recording: Recording, times: list[float]) -> list[int]:
    return [number_of(picture) for picture in read_frames(recording, times, 48, 64)]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov", "ts", "avi"])
def test_frames_come_by_number_from_any_place(tmp_path: Path, suffix: str) -> None:
    codec = "mpeg4" if suffix == "avi" else "libx264"
    units = 25 if suffix == "avi" else 1000
    stamps = [n * units // 25 for n in range(200)]
    recording = probe(str(write(tmp_path / f"x.{suffix}", stamps, codec, units=units)))
    assert (recording.frames, recording.width, recording.height) == (200, 64, 48)
    assert recording.fps == pytest.approx(25)
    assert recording.seconds == pytest.approx(8.0, abs=0.002)
    for wanted in ([0, 4, 8], [49, 50, 51], [120, 121, 180], [199], [7, 7, 8]):
        assert numbers(recording, [n / 25 for n in wanted]) == wanted


def test_every_frame_of_a_program_stream_with_open_gops_is_found(tmp_path: Path) -> None:
    options = {"g": "12", "bf": "2", "b": "600k"}
    file = write(tmp_path / "x.vob", [*range(250)], "mpeg2video", options, units=25)
    recording = probe(str(file))
    assert [numbers(recording, [n / 25])[0] for n in range(0, 250, 3)] == list(range(0, 250, 3))


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("mpeg4", {"bf": "0", "g": "50"}),
        ("mpeg4", {"bf": "2", "g": "50"}),
        ("libx264", {"bf": "3", "g": "30"}),
        ("mjpeg", {"strict": "-1"}),
    ],
)
def test_dropped_frames_of_an_avi_keep_time(
    tmp_path: Path, codec: str, options: dict[str, str]
) -> None:
    stamps = [*range(60), *range(85, 150)]  # a chunk without bytes stands for a dropped frame
    recording = probe(str(write(tmp_path / "x.avi", stamps, codec, options, units=25)))
    assert recording.seconds == pytest.approx(6.0)
    for reader in ("pyav", "sequential"):
        read = replace(recording, reader=reader)
        assert [numbers(read, [stamp / 25])[0] for stamp in stamps[::9]] == list(range(0, 125, 9))
        assert numbers(read, [2.36, 3.0, 3.4, 5.96]) == [59, 59, 60, 124]


def test_damage_in_an_avi_does_not_move_the_frames_behind_it(tmp_path: Path) -> None:
    file = write(tmp_path / "x.avi", [*range(150)], "mjpeg", {"strict": "-1"}, units=25)
    with av.open(str(file)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    content = bytearray(file.read_bytes())
    for place in places[40:45]:
        content[place + 8 : place + 40] = bytes(32)
    file.write_bytes(content)
    recording = probe(str(file))
    assert numbers(recording, [0.4, 1.2]) == [10, 30]
    assert numbers(replace(recording, reader="pyav"), [2.0, 5.0]) == [50, 125]


def test_a_frame_is_displayed_until_the_next(tmp_path: Path) -> None:
    stamps = [0, 40, 80, 1080, 1120, 1500, 2000]  # the recorder stopped for a second
    recording = probe(str(write(tmp_path / "x.mp4", stamps)))
    assert numbers(recording, [0.5, 0.9, 1.09, 1.3, 1.5, 1.99]) == [2, 2, 3, 4, 5, 6]


def test_times_count_from_the_first_frame(tmp_path: Path) -> None:
    recording = probe(str(write(tmp_path / "x.mkv", [5000 + 40 * n for n in range(100)])))
    assert recording.first == pytest.approx(5.0)
    assert numbers(recording, [0.0, 1.0, 3.96]) == [0, 25, 99]


def test_a_single_key_frame_is_enough(tmp_path: Path) -> None:
    file = write(tmp_path / "x.mp4", [40 * n for n in range(150)], options={"g": "9999"})
    assert numbers(probe(str(file)), [5.0]) == [125]


def test_frames_are_scaled(steady: Path) -> None:
    frames = read_frames(probe(str(steady)), [0.0, 1.0], 24, 40)
    assert frames.shape == (2, 24, 40, 3)
    assert frames.dtype == np.uint8


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_a_file_without_its_end_or_content_is_named(
    tmp_path: Path, steady: Path, size: int
) -> None:
    file = tmp_path / "x.mp4"
    file.write_bytes(steady.read_bytes()[:size])  # the index stands at the end, and is lost
    with pytest.raises(UnreadableVideo) as caught:
        probe(str(file))
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_a_file_truncated_after_its_index_is_refused(tmp_path: Path) -> None:
    files = (
        write(tmp_path / "a.mkv", [40 * n for n in range(200)], options={"g": "25", "crf": "10"}),
        write(tmp_path / "a.avi", [*range(200)], "mpeg4", {"bf": "0", "g": "25"}, units=25),
    )
    for file in files:
        content = file.read_bytes()
        assert probe(str(file)).seconds == pytest.approx(8.0, abs=0.002)
        file.write_bytes(content[: len(content) // 2])
        with pytest.raises(UnreadableVideo, match=r"truncated: its header says 8\.0 s, it ends at"):
            probe(str(file))
    file.write_bytes(content[:-100])  # the index at the end of an AVI is not needed
    assert probe(str(file)).seconds == pytest.approx(8.0, abs=0.002)


def test_what_is_left_of_a_truncated_avi_is_read_once_it_is_copied(tmp_path: Path) -> None:
    file = write(tmp_path / "a.avi", [*range(200)], "mpeg4", {"bf": "0", "g": "25"}, units=25)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    copy = tmp_path / "copy.avi"
    command = ("ffmpeg", "-v", "error", "-i", str(file), "-c", "copy", str(copy))
    subprocess.run(command, check=True)
    assert 2 < probe(str(copy)).seconds < 6


def test_text_audio_and_empty_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video\n" * 1000)
    with pytest.raises(UnreadableVideo, match="cannot be decoded"):
        probe(str(text))
    with pytest.raises(UnreadableVideo, match="contains no video stream"):
        probe(str(write_sound(tmp_path / "sound.mp4")))
    with pytest.raises(UnreadableVideo, match=r"is no regular file, or missing"):
        probe(str(tmp_path / "gone.mp4"))


def test_damage_is_reported_with_its_time_and_other_frames_are_right(
    tmp_path: Path, steady: Path
) -> None:
    recording = probe(str(steady))
    with av.open(str(steady)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    content = bytearray(steady.read_bytes())
    for place in places[60:75]:
        content[place + 8 : place + 40] = bytes(32)
    file = tmp_path / "hurt.mp4"
    file.write_bytes(content)
    damaged = replace(recording, path=str(file))
    outcomes = []
    for number in range(0, 200, 5):
        try:
            outcomes.append(numbers(damaged, [number / 25]) == [number])
        except UnreadableVideo:
            outcomes.append(None)
    assert outcomes.count(None) > 0, "the damage was not noticed"
    assert False not in outcomes[:8] + outcomes[22:]


def test_a_file_that_changed_since_it_was_probed_is_named(tmp_path: Path, steady: Path) -> None:
    recording = probe(str(steady))
    shorter = write(tmp_path / "x.mp4", [40 * n for n in range(100)])
    stale = replace(recording, path=str(shorter))
    with pytest.raises(UnreadableVideo, match=r"ends at 4.00 s, before the frame at 6.00 s"):
        read_frames(stale, [6.0], 48, 64)


def test_a_failure_passes_between_processes() -> None:
    failure = pickle.loads(pickle.dumps(UnreadableVideo("a.mp4", "is empty")))
    assert (failure.path, failure.reason, str(failure)) == ("a.mp4", "is empty", "a.mp4: is empty")


@pytest.mark.skipif(not REAL, reason="no real recordings at ../shared/videos")
@pytest.mark.parametrize("file", REAL_CASES)
def test_real_recordings_are_read_as_by_sequential_decoding(file: Path) -> None:
    recording = probe(str(file))
    rng = np.random.default_rng(0)
    limit = 1500
    with av.open(str(file)) as container:
        frames = [f for f, _ in zip(container.decode(video=0), range(limit), strict=False)]
    by_order = file.suffix == ".avi"
    chosen = [0, len(frames) - 1, *rng.integers(0, len(frames), 4)]
    for number in map(int, chosen):
        frame = frames[number]
        time = number / recording.fps if by_order else frame.time - recording.first
        expected = frame.reformat(64, 48, "rgb24", interpolation="BILINEAR").to_ndarray()
        np.testing.assert_array_equal(read_frames(recording, [time], 48, 64)[0], expected)
