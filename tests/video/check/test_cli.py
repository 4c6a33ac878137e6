"""`check` on sound and broken recordings: a manifest, a report, an exit status."""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from tests.video.conftest import (
    damage_packets,
    number_of,
    numbered_frame,
    turn,
    two_streams,
    write,
    write_sound,
)
from tests.video.near_duplicates.disguises import DISGUISES
from tests.video.readers.test_image_readers import folder_of
from tests.video.readers.test_pyav_reader import REAL, VIDEOS
from video.check.examine import ExaminedRecording, examine
from video.cli import main
from video.encode import AS_RECORDED, write_h264
from video.manifest import read_manifest
from video.readers.random_access import read_frames
from video.recording import UnreadableVideo, WantedStream


def examined(path: Path | str, reader: str = "pyav") -> ExaminedRecording:
    return examine(str(path), reader, 1.0, lambda _: None)


def kinds(found: ExaminedRecording) -> dict[str, str]:
    return {problem.kind: problem.detail for problem in found.problems}


def test_an_intact_recording_has_no_problem(steady: Path) -> None:
    found = examined(steady)
    assert found.problems == []
    recording = found.recording
    assert (recording.frames, recording.steady, recording.reader) == (200, True, "pyav")
    assert recording.verified == "all frames, 14 positions"
    assert 0 < recording.key_frame_seconds <= 2.0
    assert recording.bytes == steady.stat().st_size
    assert (recording.holes, recording.black) == ((), ())


def test_variable_frame_rate_distant_key_frames_and_gaps_are_reported(tmp_path: Path) -> None:
    stamps = [*range(0, 4000, 40), *range(4000, 8000, 80), *range(30000, 32000, 40)]
    found = examined(write(tmp_path / "x.mp4", stamps, options={"g": "9999"}))
    assert kinds(found)["unsteady"] == "40 to 22080 ms between frames"
    assert kinds(found)["gaps"].startswith("1 gap, 2")
    assert kinds(found)["key frames"].startswith("up to ")
    ((begin, end),) = found.recording.holes
    assert (begin, end) == (pytest.approx(7.92, abs=0.2), pytest.approx(30.0))


def test_damage_becomes_a_hole_and_other_frames_are_right(tmp_path: Path, steady: Path) -> None:
    found = examined(damage_packets(steady, tmp_path / "hurt.mp4", range(60, 75)))
    assert "damaged" in kinds(found)
    recording = found.recording
    assert recording.holes
    assert all(begin >= 2.0 and end <= 4.1 for begin, end in recording.holes)
    for number in (0, 30, 105, 199):
        frame = read_frames(recording, [number / 25], 48, 64)[0]
        assert number_of(frame) == number


def test_damage_lasts_until_the_next_key_frame_and_costs_nothing_behind_it(
    tmp_path: Path, steady: Path
) -> None:
    with av.open(str(steady)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    content = bytearray(steady.read_bytes())
    place, size = packets[60].pos, packets[60].size
    content[place + 4 : place + size] = bytes(size - 4)
    keys = [float(packet.pts * packet.time_base) for packet in packets if packet.is_keyframe]
    (tmp_path / "hurt.mp4").write_bytes(content)
    recording = examined(tmp_path / "hurt.mp4").recording
    ((begin, end),) = recording.holes
    assert 2.0 < begin < 3.0
    assert end == pytest.approx(min(key for key in keys if key > begin), abs=1e-3)
    assert end - begin > 0.04
    for reader in ("pyav", "sequential"):
        frames = read_frames(replace(recording, reader=reader), [1.0, 5.0], 48, 64)
        assert [number_of(frame) for frame in frames] == [25, 125]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_rotated_recording_is_turned_upright(tmp_path: Path, rotation: int) -> None:
    file = tmp_path / "x.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.pix_fmt, stream.width, stream.height = "yuv420p", 64, 48
        for number in range(60):
            upright = numbered_frame(number, 64, 48) if rotation % 180 else numbered_frame(number)
            stored = np.ascontiguousarray(np.rot90(upright, rotation // 90))
            frame = av.VideoFrame.from_ndarray(stored, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    turn(file, rotation)
    found = examined(file)
    assert kinds(found)["rotated"] == f"by {rotation} degrees"
    recording = found.recording
    rows, columns = (64, 48) if rotation % 180 else (48, 64)
    assert recording.shape == (rows, columns)
    for reader in ("pyav", "sequential"):
        frames = read_frames(recording, [0.4, 2.0], rows, columns)
        assert [number_of(frame) for frame in frames] == [10, 50], reader


@pytest.mark.parametrize(
    "pixels", ["gray", "yuv444p10le", "yuv420p10le", "yuvj420p", "rgb24", "yuva420p"]
)
def test_all_pixel_formats_are_read(tmp_path: Path, pixels: str) -> None:
    codec = {"rgb24": "png", "gray": "ffv1", "yuva420p": "ffv1", "yuvj420p": "mjpeg"}
    file = tmp_path / ("x.mov" if pixels == "rgb24" else "x.mkv")
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec.get(pixels, "libx264"), rate=25)
        stream.pix_fmt, stream.width, stream.height = pixels, 64, 48
        for number in range(40):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number), format="rgb24")
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode(None))
    recording = examined(file).recording
    frames = read_frames(recording, [0.0, 0.52, 1.56], 48, 64)
    assert [number_of(frame) for frame in frames] == [0, 13, 39]


def test_audio_and_cover_images_are_no_problem(tmp_path: Path) -> None:
    file = tmp_path / "x.mkv"
    with av.open(str(file), "w") as container:
        streams = [container.add_stream("libx264", rate=25) for _ in range(2)]
        sound = container.add_stream("aac", rate=16000, layout="mono")
        for stream in streams:
            stream.pix_fmt, stream.width, stream.height = "yuv420p", 64, 48
        for number in range(60):
            for shift, stream in enumerate(streams):
                frame = av.VideoFrame.from_ndarray(numbered_frame(number + shift), format="rgb24")
                container.mux(stream.encode(frame))
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 16000), np.float32), format="fltp", layout="mono"
        )
        silence.sample_rate = 16000
        container.mux(sound.encode(silence))
        for stream in (*streams, sound):
            container.mux(stream.encode(None))
    recording = examined(file).recording
    assert number_of(read_frames(recording, [1.0], 48, 64)[0]) == 25


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_of_several_video_streams_the_largest_that_lasts_is_read(
    tmp_path: Path, suffix: str
) -> None:
    found = examined(two_streams(tmp_path / f"x.{suffix}", (4.0, 4.0)))
    detail = kinds(found)["streams"]
    assert re.fullmatch(
        r"stream 1 \(128x96, [34]\.\d s\) is read; left out: 0 \(64x48, [34]\.\d s\)", detail
    )
    assert (found.recording.stream, found.recording.shape) == (1, (96, 128))
    assert number_of(read_frames(found.recording, [2.0], 48, 64)[0]) == 150
    title = two_streams(tmp_path / f"title.{suffix}", (4.0, 1.0))
    assert examined(title).recording.stream == 0
    chosen = examine(str(title), "pyav", 1.0, lambda _: None, stream=WantedStream(1)).recording
    assert (chosen.stream, round(chosen.seconds)) == (1, 1)
    with pytest.raises(UnreadableVideo, match="has no video stream 7, only 0, 1"):
        examine(str(title), "pyav", 1.0, lambda _: None, stream=WantedStream(7))


def test_a_truncated_image_in_a_folder_becomes_a_hole(tmp_path: Path) -> None:
    folder = Path(folder_of(tmp_path / "x", list(range(30))))
    cut = folder / "img_00012.jpg"
    cut.write_bytes(cut.read_bytes()[:200])
    found = examined(folder)
    assert kinds(found)["damaged"] == "1 frame, 12.00-13.00 s"
    assert kinds(found)["slow"] == "1 frames/s; 16 frames show 3 pictures"
    assert kinds(found).keys() == {"damaged", "count", "slow"}
    assert found.recording.holes == ((12.0, 13.0),)


@pytest.fixture
def mixed(tmp_path: Path, steady: Path) -> Path:
    folder = tmp_path / "mixed, ü"
    folder.mkdir()
    shutil.copy(steady, folder / "a.mp4")
    shutil.copy(steady, folder / "copy of a.mp4")
    write_sound(folder / "sound.mp4")
    (folder / "empty.mp4").touch()
    (folder / "odd.mp4").write_bytes(steady.read_bytes().replace(b"avc1", b"oddc"))
    return folder


def test_the_command_writes_a_manifest_and_a_report(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "manifest.csv"
    assert main(["check", str(mixed), "--out", str(out), "--processes", "2"]) == 1
    recordings = read_manifest(out)
    assert [Path(r.path).name for r in recordings] == ["a.mp4", "copy of a.mp4"]
    text = out.with_suffix(".txt").read_text()
    assert text in capsys.readouterr().out
    lines = text.splitlines()
    assert lines[0].startswith("5 recordings: 2 usable, 0.00 h, 0.00 GB; 3 unusable")
    assert f"  {mixed}/odd.mp4: has a damaged header, its codec is unknown" in lines
    assert f"  {mixed}/empty.mp4: is empty (0 bytes); copy it again" in lines
    assert f"  {mixed}/sound.mp4: contains no video stream, perhaps only audio" in lines
    assert f"  {mixed}/copy of a.mp4: a copy of {mixed}/a.mp4" in lines
    for name in ("sound.mp4", "empty.mp4", "odd.mp4"):
        (mixed / name).unlink()
    assert main(["check", str(mixed), "--out", str(out)]) == 0
    assert read_manifest(out) == recordings


def test_names_may_have_any_bytes(
    tmp_path: Path, steady: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (b"caf\xe9.mp4", b'two\nlines, "quoted".mp4', b"carriage\r.mp4"):
        shutil.copy(steady, Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)))
    out = tmp_path / "manifest.csv"
    assert main(["check", str(tmp_path), "--out", str(out)]) == 0
    assert r"caf\udce9.mp4" in capsys.readouterr().out
    assert all(Path(recording.path).is_file() for recording in read_manifest(out))
    assert len(read_manifest(out)) == 3


def test_a_video_of_any_name_is_checked_and_other_files_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "camcorder"
    folder.mkdir()
    options = {"g": "12", "bf": "2"}
    stamps = [*range(150)]
    write(folder / "x.vob", stamps, "mpeg2video", options, units=25).rename(folder / "MOV001.MOD")
    write(folder / "x.avi", stamps, "mpeg4", {}, units=25)
    (folder / "MOV001.MOI").write_bytes(b"V6")
    out = tmp_path / "m.csv"
    assert main(["check", str(folder), "--out", str(out)]) == 0
    assert [Path(found.path).name for found in read_manifest(out)] == ["MOV001.MOD", "x.avi"]
    lines = out.with_suffix(".txt").read_text().splitlines()
    assert lines[-2:] == [
        "taken for video by content: 1 (MOV001.MOD)",
        "not looked at: 1 .moi",
    ]
    assert lines[-1] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "nowhere"], "video: nowhere does not exist; give a folder"),
        (["check", "FOLDER", "--out", "gone/m.csv"], "video: gone/m.csv: No such file"),
    ],
)
def test_errors_are_one_line(
    mixed: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(mixed / "a.mp4") if word == "FOLDER" else word for word in words]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.skipif(not REAL, reason="no real recordings at ../shared/videos")
def test_known_problems_of_real_recordings_are_reported() -> None:
    found = examined(VIDEOS / "robotic_porcine_surgtoolloc/vid_1_short.mp4")
    assert kinds(found)["count"] == "62 in the header, 60 can be decoded"
    folder = examined(VIDEOS / "cholect50_challenge_val/videos/VID73")
    assert folder.recording.view is not None
    assert folder.recording.view.kind == "circle"
    assert (
        examined(VIDEOS / "open_suturing_pigleg/tests_pigleg_test2.mp4", "decord").recording.reader
        != "decord"
    )


def test_interlaced_frames_are_reported(tmp_path: Path) -> None:
    file = write(
        tmp_path / "x.mp4",
        [40 * n for n in range(50)],
        options={"flags": "+ilme+ildct", "x264-params": "tff=1"},
    )
    assert kinds(examined(file))["interlaced"] == "50 of 50 frames"


def test_near_duplicates_are_reported_with_the_pair(
    two_recordings: tuple[Path, Path], tmp_path: Path
) -> None:
    file, unrelated = two_recordings
    folder = tmp_path / "videos"
    folder.mkdir()
    for each in (file, unrelated):
        shutil.copy(each, folder)
    cut = DISGUISES["without its start"](file, folder / "z")
    assert main(["check", str(folder), "--out", str(tmp_path / "m.csv"), "--processes", "1"]) == 0
    report = (tmp_path / "m.txt").read_text()
    assert "Near duplicates: 1 of 3." in report
    line = next(line for line in report.splitlines() if "looks like" in line)
    assert line.startswith(f"  {cut}: looks like {folder / file.name}: ")
    assert " s earlier, " in line
    assert all(recording.fingerprint for recording in read_manifest(tmp_path / "m.csv"))


def test_a_blank_recording_is_named_and_a_line_break_in_a_name_breaks_no_line(
    tmp_path: Path, steady: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    black = [(n / 25, np.zeros((48, 64, 3), np.uint8)) for n in range(100)]
    write_h264(folder / "black.mp4", iter(black), 25, AS_RECORDED)
    shutil.copy(steady, folder / "a\nUnusable: b.mp4")
    for number in range(14):
        (folder / f"broken{number:02}.mp4").write_text("\n")
    assert main(["check", str(folder), "--out", str(tmp_path / "m.csv")]) == 1
    lines = (tmp_path / "m.txt").read_text().splitlines()
    (title,) = [line for line in lines if line.startswith("Black or frozen from begin to end: 1 ")]
    assert "No action needed" not in title
    assert lines[lines.index(title) + 1].startswith(f"  {folder}/black.mp4: 4.0 s in 1 span")
    assert sum(line.startswith("Unusable: ") for line in lines) == 1
    assert any(line.endswith(r"a\nUnusable: b.mp4") for line in lines)
    shown = capsys.readouterr().out
    assert f"  {folder}/broken00.mp4: " in shown and f"  {folder}/broken11.mp4: " in shown
    assert "\n  2 more in the report\n" in shown
    assert f"\nblack or frozen from begin to end: 1; see {tmp_path / 'm.txt'}\n" in shown
