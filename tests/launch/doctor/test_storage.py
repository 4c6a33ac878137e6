"""Checks of the disks, on real file systems and recordings."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from launch.doctor import storage
from launch.doctor.storage import reading, shared_folder, writing
from tests.conftest import fill
from tests.launch.doctor.places import SECOND_HOST, here


def test_a_folder_that_does_not_exist_yet_is_tried_at_the_one_above(tmp_path: Path) -> None:
    found = writing(here(run=tmp_path / "runs/first"))
    assert found and found.verdict in ("ok", "warning")  # little space may be left
    assert found.figure.startswith(f"{tmp_path}: ") and "MB/s" in found.figure
    assert found.values["mb_per_second"] > 0 and found.values["fsync_ms"] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_file_system_fails(small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(8)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    found = writing(here(run=disk / "run"))
    assert found and found.verdict == "failed"
    assert found.figure == f"{disk} cannot be written (Read-only file system)"


def test_a_folder_of_another_user_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("root may write everywhere; a read-only file system is tried instead")
    found = writing(here(run=tmp_path / "run"))
    assert found and found.verdict == "failed" and "Permission denied" in found.figure


def test_a_full_disk_fails_and_is_left_as_it_was(small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(8)
    fill(disk, 2**20)
    found = writing(here(run=disk / "run"))
    assert found and found.verdict == "failed" and "No space left" in found.figure
    assert [path.name for path in disk.iterdir()] == ["filler"]


def test_little_space_is_a_warning(small_disk: Callable[[int], Path]) -> None:
    found = writing(here(run=small_disk(128) / "run"))
    assert found and found.verdict == "warning" and "128 MiB free" in found.figure


def test_recordings_are_read_by_our_readers(
    operations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "READ_SECONDS", 0.2)
    found = reading(here(source=operations))
    assert found and found.verdict in ("ok", "warning"), found
    assert found.values["recordings"] == 2 and found.values["clips"] >= 1
    assert "clips/s with one process" in found.figure


def test_a_source_without_recordings_fails(tmp_path: Path) -> None:
    found = reading(here(source=tmp_path))
    assert found and found.verdict == "failed" and str(tmp_path) in found.figure


def test_unreadable_recordings_are_counted_and_slow_ones_need_preparing() -> None:
    speed = {"clips_per_second": 4.0, "unreadable": 0, "recordings": 8, "listed": 20}
    slow = storage._judge_reading(here(source=Path("/videos")), {**speed, "too_short": 1})
    assert slow.cure == "python -m video prepare /videos FOLDER --form jpeg"
    assert "8 of 20 recordings, 1 too short" in slow.figure
    bad = {**speed, "too_short": 0, "unreadable": 2}
    found = storage._judge_reading(here(source=Path("/videos")), bad)
    assert found.verdict == "warning" and "2 unreadable" in found.figure


def test_a_run_folder_must_be_the_same_on_all_hosts(tmp_path: Path) -> None:
    marker = tmp_path / ".doctor-1"
    place = replace(SECOND_HOST, run=tmp_path, marker=marker, seconds=0.4)
    found = shared_folder(place)
    assert found and found.verdict == "failed" and str(tmp_path) in found.figure
    marker.touch()
    found = shared_folder(place)
    assert found and found.verdict == "ok"
