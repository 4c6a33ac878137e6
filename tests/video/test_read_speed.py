"""How fast clips are read, by the command."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import Outcome, call_program
from video.cli import main
from video.synthetic import synthesize


def speed(*words: str) -> Outcome:
    return call_program("video", lambda: main(["speed", *words, "--seconds", "0.1"]))


def test_a_folder_is_read_and_counted(operations: Path) -> None:
    done = speed(str(operations))
    assert done.returncode == 0, done.stderr
    line = done.stdout.splitlines()[-1]
    assert "clips/s with one process" in line and line.endswith("from 2 of 2 recordings")
    assert "of 16 frames of 224x224" in line


def test_what_is_too_short_or_unreadable_is_counted(operations: Path, tmp_path: Path) -> None:
    short = tmp_path / "short"
    synthesize(short, 1, seconds=1, size=72, seed=1)
    shutil.copy(next(short.glob("*.mp4")), tmp_path / "c.mp4")
    shutil.rmtree(short)
    shutil.copy(next(operations.glob("*.mp4")), tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_bytes(b"no video" * 1000)
    done = speed(str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    counts = [found[name] for name in ("listed", "recordings", "too_short", "unreadable")]
    assert counts == [3, 1, 1, 1]
    assert found["clips"] / found["seconds"] == pytest.approx(found["clips_per_second"])


def test_only_some_recordings_of_a_large_source_are_opened(
    operations: Path, tmp_path: Path
) -> None:
    recording = next(operations.glob("*.mp4"))
    for number in range(12):
        (tmp_path / f"{number}.mp4").symlink_to(recording)
    found = json.loads(speed(str(tmp_path), "--json").stdout)
    assert (found["listed"], found["recordings"]) == (12, 8)


def test_a_source_without_a_readable_recording_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "b.mp4").write_bytes(b"no video" * 1000)
    done = speed(str(tmp_path))
    assert done.returncode == 2 and "has no recording that can be read" in done.stderr
    assert speed(str(tmp_path / "absent")).returncode == 2
