"""`prepare`: the same frames at the same times, complete or absent, resumed after a kill."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import av
import pytest

from tests.conftest import HANG_LIMIT, ROOT
from tests.video.conftest import number_of, write, write_sound
from tests.video.readers.test_image_readers import folder_of
from video.cli import main
from video.manifest import read_manifest, write_manifest
from video.open_source import open_source
from video.readers.probe import probe
from video.readers.random_access import read_frames
from video.readers.sequential import SequentialDecoder
from video.recording import FieldOfView, Recording

FORMS = ("jpeg", "h264")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings with the same name in two folders, and one with irregular timestamps."""
    folder = tmp_path_factory.mktemp("raw")
    for name in ("north", "south"):
        (folder / name).mkdir()
        write(folder / name / "op 1.mp4", [40 * n for n in range(200)])
    write(folder / "late.mkv", [7000 + 34 * n + n % 2 for n in range(240)])
    return folder


def prepared(videos: Path, out: Path, *words: str) -> list[Recording]:
    assert main(["prepare", str(videos), str(out), *words]) == 0
    return read_manifest(out / "manifest.csv")


def numbers(recording: Recording, times: list[float]) -> list[int]:
    assert recording.shape == (48, 64)
    return [number_of(frame) for frame in read_frames(recording, times, 48, 64)]


@pytest.mark.parametrize("form", FORMS)
def test_frames_stand_at_the_times_of_their_originals(
    videos: Path, tmp_path: Path, form: str
) -> None:
    before = {path: path.read_bytes() for path in videos.rglob("*.m*")}
    late, north, south = prepared(videos, tmp_path / "out", "--form", form)
    assert (north.frames, north.fps, north.first) == (200, 25.0, 0.0)
    for recording in (north, south):
        assert numbers(recording, [0.0, 0.2, 3.96, 4.0, 7.96]) == [0, 5, 99, 100, 199]
    original = probe(str(videos / "late.mkv"))
    assert late.original == str(videos / "late.mkv")
    assert late.original_first == original.first == 7.0
    times = [(34 * n + n % 2) / 1000 for n in (0, 1, 2, 100, 239)]
    assert numbers(late, times) == numbers(original, times) == [0, 1, 2, 100, 239]
    assert Path(north.path).relative_to(tmp_path / "out").parts[0] == "north"
    assert {path: path.read_bytes() for path in videos.rglob("*.m*")} == before
    assert "PSNR" in (tmp_path / "out/report.txt").read_text()
    assert not [path for path in (tmp_path / "out").rglob(".*")]


def test_audio_and_metadata_are_dropped(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    with av.open(str(raw / "a.mp4"), "w") as container:
        container.metadata["title"] = "Mrs Smith"
        stream = container.add_stream("libx264", rate=25)
        sound = container.add_stream("aac", rate=16000, layout="mono")
        stream.pix_fmt, stream.width, stream.height = "yuv420p", 64, 48
        for _ in range(50):
            container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        for each in (stream, sound):
            container.mux(each.encode(None))
    assert b"Mrs Smith" in (raw / "a.mp4").read_bytes()
    (recording,) = prepared(raw, tmp_path / "out", "--form", "h264")
    assert b"Smith" not in Path(recording.path).read_bytes()
    with av.open(recording.path) as container:
        assert [stream.type for stream in container.streams] == ["video"]


@pytest.mark.parametrize("form", FORMS)
def test_spans_left_out_have_no_frames(videos: Path, tmp_path: Path, form: str) -> None:
    spans = tmp_path / "spans.csv"
    spans.write_text(
        f"path,begin,end\n{videos}/north/op 1.mp4,0,1\n"
        f"{videos}/north/op 1.mp4,0:00:04,0:05\n{videos}/south/op 1.mp4,7,99\n"
    )
    words = ("--form", form, "--leave-out", str(spans))
    _, north, south = prepared(videos, tmp_path / "out", *words)
    assert north.frames == 150
    assert north.holes == ((0.0, 1.0), (4.0, 5.0))
    assert numbers(north, [1.0, 3.96, 5.0, 7.96]) == [25, 99, 125, 199]
    shown = [number_of(frame.pixels(48, 64)) for frame in SequentialDecoder(north)]
    assert shown == [*range(25, 100), *range(125, 200)]
    assert south.seconds == pytest.approx(7.0)
    text = (tmp_path / "out/report.txt").read_text()
    assert "2.0 s left out" in text


@pytest.mark.parametrize("form", FORMS)
def test_a_frame_rate_selects_the_frames_at_its_ticks(
    videos: Path, tmp_path: Path, form: str
) -> None:
    words = ("--form", form, "--frame-rate", "6.25")
    late, north, _ = prepared(videos, tmp_path / "out", *words)
    assert (north.fps, north.frames) == (6.25, 50)
    ticks = [n * 0.16 for n in range(50)]
    assert numbers(north, ticks) == list(range(0, 200, 4))
    original = probe(str(videos / "late.mkv"))
    ticks = [n * 0.16 for n in range(int(original.seconds / 0.16))]
    assert numbers(late, ticks) == numbers(original, ticks)


def test_a_recording_is_scaled_and_cut_to_its_field_of_view(tmp_path: Path, steady: Path) -> None:
    recording = probe(str(steady))
    view = FieldOfView("box", (0.0, 1 / 3, 1.0, 1.0))  # the middle 32 of 64 columns
    checked = tmp_path / "checked.csv"
    write_manifest([replace(recording, view=view)], checked)
    words = ("--form", "jpeg", "--crop-view", "--short-side", "16")
    (cut,) = prepared(checked, tmp_path / "out", *words)
    assert cut.shape == (24, 16)
    assert cut.view is not None
    assert cut.view.numbers == pytest.approx((0.0, 0.0, 1.0, 2 / 3), abs=0.05)
    picture = read_frames(cut, [3.4], 24, 16)[0]  # number 85 = 0b01010101; bars 2 to 5 are kept
    bars = picture.mean(axis=(0, 2)).reshape(4, -1).mean(axis=1) > 120
    assert bars.tolist() == [True, False, True, False]


@pytest.mark.parametrize("form", FORMS)
def test_folders_of_images_are_prepared_too(tmp_path: Path, form: str) -> None:
    (tmp_path / "raw").mkdir()
    folder_of(tmp_path / "raw/op", [*range(5, 30), *range(60, 90)])
    (recording,) = prepared(tmp_path / "raw", tmp_path / "out", "--form", form)
    assert recording.holes == ((25.0, 55.0),)
    assert numbers(recording, [0.0, 24.0, 55.0, 84.0]) == [5, 29, 60, 89]


def test_a_prepared_folder_is_a_source(videos: Path, tmp_path: Path) -> None:
    recordings = prepared(videos, tmp_path / "out", "--form", "jpeg")

    def show(events, jobs, what):
        raise AssertionError("nothing is opened")

    assert open_source(tmp_path / "out", "pyav", 1.0, 60, show).recordings == recordings
    pack = probe(recordings[0].path)  # alone, without its manifest
    assert (pack.fps, pack.frames) == (recordings[0].fps, 240)
    assert pack.original == recordings[0].original


def test_complete_files_are_not_prepared_again(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    recordings = prepared(videos, out, "--form", "jpeg")
    files = [Path(recording.path) for recording in recordings]
    stamps = [file.stat().st_mtime_ns for file in files]
    assert prepared(videos, out, "--form", "jpeg") == recordings
    assert "3 of 3 recordings are already prepared" in capsys.readouterr().out
    assert [file.stat().st_mtime_ns for file in files] == stamps
    files[1].write_bytes(files[1].read_bytes()[:-10])
    assert prepared(videos, out, "--form", "jpeg") == recordings
    assert "2 of 3 recordings are already prepared" in capsys.readouterr().out
    assert main(["prepare", str(videos), str(out), "--form", "jpeg", "--short-side", "32"]) == 2
    assert "other settings (short_side was 256, is 32)" in capsys.readouterr().err


@pytest.mark.parametrize("form", FORMS)
def test_a_killed_call_leaves_no_partial_file_and_can_be_resumed(
    videos: Path, tmp_path: Path, form: str
) -> None:
    out = tmp_path / "out"
    command = ["prepare", str(videos), str(out), "--form", form, "--processes", "1"]
    complete = prepared(videos, tmp_path / "complete", "--form", form)
    for _ in range(3):
        started = subprocess.Popen(
            [sys.executable, "-m", "video", *command],
            cwd=ROOT,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ends = time.monotonic() + HANG_LIMIT
        seen = len(list(out.rglob("*.json")))
        while len(list(out.rglob("*.json"))) == seen and time.monotonic() < ends:
            if started.poll() is not None:
                break
            time.sleep(0.01)
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()
        for note in out.rglob("*.json"):
            recorded = json.loads(note.read_text())["recording"]
            assert Path(recorded["path"]).stat().st_size == int(recorded["bytes"])
    again = prepared(videos, out, "--form", form)
    assert [r.frames for r in again] == [r.frames for r in complete]
    for one, other in zip(again, complete, strict=True):
        assert Path(one.path).read_bytes()[:1000] == Path(other.path).read_bytes()[:1000]
    assert not [path for path in out.rglob(".*")]


@pytest.mark.parametrize("form", FORMS)
def test_a_full_disk_is_one_line_and_the_call_can_be_resumed(
    videos: Path, tmp_path: Path, form: str
) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))

    out = tmp_path / "out"
    (tmp_path / "cache").mkdir()
    command = [sys.executable, "-m", "video", "prepare", str(videos), str(out), "--form", form]
    done = subprocess.run(
        command,
        cwd=ROOT,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )
    assert done.returncode == 2, done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert "File too large; free disk space and run the same command again; complete" in line
    assert not [path for path in out.rglob(".*")]
    assert not [path for path in out.rglob("*") if path.suffix in (".frames", ".mp4", ".csv")]
    assert len(prepared(videos, out, "--form", form)) == 3


def test_unreadable_recordings_are_reported_and_the_others_prepared(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    write(raw / "a.mp4", [40 * n for n in range(50)])
    write_sound(raw / "sound.mp4")
    (raw / "odd.mp4").write_bytes((raw / "a.mp4").read_bytes().replace(b"avc1", b"oddc"))
    assert main(["prepare", str(raw), str(tmp_path / "out"), "--form", "jpeg"]) == 1
    out = capsys.readouterr().out
    assert (
        f"2 recordings cannot be read:\n  {raw}/odd.mp4: has a damaged header, its "
        f"codec is unknown\n  {raw}/sound.mp4: contains no video stream" in out
    )
    assert len(read_manifest(tmp_path / "out/manifest.csv")) == 1
    (raw / "a.mp4").unlink()
    assert main(["prepare", str(raw), str(tmp_path / "none"), "--form", "jpeg"]) == 2
    assert "none of its recordings can be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,from,to\n", "1: column begin is missing"),
        ("path,begin,end\nwest,0,1\n", "2: path 'west' matches no recording"),
        ("path,begin,end\nop 1,0,1\n", "2: path 'op 1' matches several recordings"),
        ("path,begin,end\nlate,2,1\n", "2: end 1 is not after begin 2"),
        ("path,begin,end\nlate,-2,1\n", "2: begin '-2' is not a time"),
        ("path,begin,end\nlate,0,soon\n", "2: end 'soon' is not a time"),
        ("path,begin,end\nlate,0,\n", "2: end '' is not a time"),
    ],
)
def test_invalid_spans_are_refused(
    videos: Path, tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spans.csv").write_text(text)
    words = ["--form", "jpeg", "--leave-out", str(tmp_path / "spans.csv")]
    assert main(["prepare", str(videos), str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
