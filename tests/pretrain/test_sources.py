"""Several sources in one run: videos and folders of images, weights, sampling, exclusion."""

from pathlib import Path

import pytest

from encoder.checkpoint.safe_open import parse_metadata
from launch.recipe import load_recipe
from pretrain.cli import RECIPES
from pretrain.config import PretrainConfig
from pretrain.data_config import PretrainDataConfig, SourceConfig
from pretrain.startup_summary import slow_sources
from tests.pretrain.runs import log_of, run_alone, words
from tests.video.conftest import made_up, two_streams
from tests.video.readers.test_image_readers import folder_of
from video.cli import main
from video.config import Sampling
from video.fingerprint import content_digest
from video.manifest import read_manifest
from video.near_duplicates.fingerprint import parse_fingerprint


def test_videos_images_and_prepared_recordings_train_in_one_run(
    operations: Path, tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    folder_of(pictures / "VID01", list(range(40)), "{:06}.png")
    assert main(["prepare", str(operations), str(tmp_path / "ready"), "--form", "jpeg"]) == 0
    excluded = tmp_path / "test_set.txt"
    excluded.write_text("operation02\nnever heard of\n")
    sources = (
        f"{{raw: {{path: '{operations}', weight: 2}}, "
        f"ready: {{path: '{tmp_path}/ready', sampling: {{stride: 2}}}}, "
        f"frames: {{path: '{pictures}', sampling: {{frame_rate: 1}}}}}}"
    )
    run = tmp_path / "run"
    arguments = words(operations, run, "data.source=null", f"data.sources={sources}")
    done = run_alone([*arguments, f"data.exclude={excluded}", "schedule.steps=2"])
    assert done.returncode == 0, done.stderr
    assert "data.exclude: 2 recordings excluded" in done.stdout
    assert f"warning: data.exclude: entries of {excluded} that match no recording: 1, " in (
        done.stdout
    )
    assert "the first: never heard of" in done.stdout
    recordings = read_manifest(run / "manifest.csv")
    assert [r.source for r in recordings] == ["raw", "ready", "frames"]
    assert [r.reader for r in recordings] == ["pyav", "pack", "frames"]
    assert "  raw: 1 recording, 0.00 h, clips of 4 frames at 6.25 frames/s = 0.64 s, weight 2" in (
        done.stdout
    )
    assert "  ready: 1 recording, 0.00 h, clips of 4 frames at stride 2 = 0.32 s" in done.stdout
    assert "  frames: 1 recording, 0.01 h, clips of 4 frames at 1 frames/s = 4.00 s" in done.stdout
    by_source = [
        {name: line.get(f"loss/source/{name}") for name in ("raw", "ready", "frames")}
        for line in log_of(run)
    ]
    assert all(any(losses.values()) for losses in by_source), "every step has some source's loss"


def test_a_source_may_have_a_video_stream_of_its_own(operations: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        two_streams(tmp_path / name / f"{name}.mkv", (4.0, 4.0))
    sources = (
        f"{{first: {{path: '{tmp_path}/first', stream: 0}}, second: {{path: '{tmp_path}/second'}}}}"
    )
    run = tmp_path / "run"
    overrides = ("data.source=null", f"data.sources={sources}", "schedule.steps=1")
    done = run_alone(words(operations, run, *overrides))
    assert done.returncode == 0, done.stderr
    assert [recording.stream for recording in read_manifest(run / "manifest.csv")] == [0, 1]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.source=null", "data: has no recordings; set data.source=FOLDER, or data.sources="),
        ("data.sources={a: {path: /x}}", "are both given; set data.source=null or data.sources={}"),
        ("data.read_timeout=9999", "data.read_timeout 9999 is not below engine.collective_timeout"),
        ("data.mask_inside_fov=true", "decode_visible: false"),
        ("data.sampling.short_videos=stretch", "data.sampling.short_videos: 'stretch'"),
        ("data.sampling.skip_segments=[blood]", "data.sampling.skip_segments"),
        ("data.reader=opencv", "data.reader: 'opencv'"),
    ],
)
def test_a_contradictory_configuration_is_refused(
    operations: Path, override: str, message: str
) -> None:
    arguments = words(operations, Path("unused"), override)
    with pytest.raises(ValueError, match=message.replace("{", r"\{").replace("[", r"\[")):
        load_recipe(PretrainConfig, arguments[0], arguments[1:], RECIPES, run="unused")


def test_the_encoder_file_lists_its_training_recordings(finished: Path, operations: Path) -> None:
    file = finished / "encoder.safetensors"
    known = parse_metadata(file, "recordings")
    assert [Path(entry["path"]).name for entry in known] == ["operation01.mp4", "operation02.mp4"]
    contents = [content_digest(str(path)) for path in sorted(operations.glob("*.mp4"))]
    assert [entry["content"] for entry in known] == contents
    assert all(parse_fingerprint(entry["fingerprint"]) for entry in known)
    assert parse_metadata(file, "sampling") == {"": {"frame_rate": 6.25, "stride": None}}


def test_a_source_whose_clips_repeat_pictures_is_told() -> None:
    recordings = [made_up(60, 25, source="raw"), made_up(60, 1, source="frames", path="VID01")]
    both = {"raw": SourceConfig("a"), "frames": SourceConfig("b", sampling=Sampling())}
    (line,) = slow_sources(16, recordings, PretrainDataConfig(sources=both))
    assert line.startswith("warning: frames: 1 of 1 recordings have fewer frames per second")
    assert "16 frames of VID01 (1 frames/s) show 3 pictures; " in line
    assert "; lower data.sources.frames.sampling.frame_rate, or give the true rate of" in line
    assert line.endswith("(data.folder_fps)")
    both["frames"] = SourceConfig("b", sampling=Sampling(stride=4))
    assert slow_sources(16, recordings, PretrainDataConfig(sources=both)) == []
