"""Checks of the disks: how fast recordings are read and a run folder is written."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

from launch.atomic_io import fsync_folder
from launch.doctor.check_result import Finding, Place
from launch.doctor.machine import GIB, size_text, usable_cores

ROOT = Path(__file__).parent.parent.parent
READ_SECONDS = 5.0
SLOW_CLIPS = 10.0  # a second: a prepared recording gives several times more
WRITTEN_BYTES, BLOCK_BYTES, SMALL_FILES = 64 * 2**20, 4 * 2**20, 8
SPACE_ENOUGH = 10 * GIB  # some checkpoints of a base model
MARKER_SECONDS = 5.0  # until a network file system shows a new file to another host


def reading(place: Place) -> Finding | None:
    """Clips per second of one process, by `python -m video speed`.

    A program of its own, because `launch` does not know recordings; a decoder that hangs or crashes
    ends with it.
    """
    if place.source is None:
        return None
    command = [sys.executable, "-m", "video", "speed", str(place.source), "--json"]
    seconds = min(READ_SECONDS, place.seconds / 2)
    command += ["--seconds", f"{seconds:g}", "--time-limit", f"{max(1, place.seconds / 2):g}"]
    python_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": python_path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        cure = f"python -m video check {place.source}"
        return Finding("failed", lines[-1].removeprefix("video: "), cure)
    return _judge_reading(place, json.loads(done.stdout.splitlines()[-1]))


def _judge_reading(place: Place, speed: dict[str, float]) -> Finding:
    rate, unreadable = speed["clips_per_second"], int(speed["unreadable"])
    workers = max(1, int(usable_cores(place.processes)))
    figure = (
        f"{rate:.3g} clips/s with one process, at most {rate * workers:.3g} with {workers} "
        f"core{'s' * (workers > 1)} "
        f"({speed['recordings']:g} of {speed['listed']:g} recordings"
    )
    figure += f", {speed['too_short']:g} too short)" if speed["too_short"] else ")"
    if unreadable:
        figure += f", {unreadable} unreadable"
        cure = f"python -m video check {place.source} names them"
        return Finding("warning", figure, cure, speed, score=rate)
    if rate < SLOW_CLIPS:
        cure = f"python -m video prepare {place.source} FOLDER --form jpeg"
        return Finding("warning", figure, cure, speed, score=rate)
    return Finding("ok", figure, "", speed, score=rate)


def existing_folder(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    absolute = path.absolute()
    return next(each for each in (absolute, *absolute.parents) if each.exists())


def writing(place: Place) -> Finding | None:
    """Speed of a large file, of small ones and of renaming, on the run folder's file system."""
    if place.run is None:
        return None
    folder = existing_folder(place.run)
    trial: Path | None = None
    try:
        trial = Path(mkdtemp(prefix=".doctor-", dir=folder))
        status = os.statvfs(folder)
        rate, (fsync_ms, rename_ms) = _write_large(trial), _write_small(trial)
    except OSError as error:
        cure = "choose another run=FOLDER, or free space and mend its permissions"
        return Finding("failed", f"{folder} cannot be written ({error.strerror})", cure)
    finally:
        if trial is not None:
            shutil.rmtree(trial, ignore_errors=True)
    free = status.f_bavail * status.f_frsize
    figure = f"{folder}: {rate:,.0f} MB/s, fsync {fsync_ms:.2g} ms, rename {rename_ms:.2g} ms"
    figure += f", {size_text(free)} free"
    values = {"mb_per_second": rate, "fsync_ms": fsync_ms, "rename_ms": rename_ms, "free": free}
    if free < SPACE_ENOUGH:
        return Finding("warning", figure, "free space for checkpoints", values, score=rate)
    return Finding("ok", figure, "", values, score=rate)


def _write_large(folder: Path) -> float:
    """MB/s until the file is on the disk."""
    block = os.urandom(BLOCK_BYTES)  # a file system may compress
    begin = time.perf_counter()
    with (folder / "large").open("wb", buffering=0) as file:
        for _ in range(WRITTEN_BYTES // BLOCK_BYTES):
            file.write(block)
        os.fsync(file.fileno())
    return WRITTEN_BYTES / 1e6 / (time.perf_counter() - begin)


def _write_small(folder: Path) -> tuple[float, float]:
    """Milliseconds to fsync a small file, and to rename it for good."""
    fsync = rename = 0.0
    for number in range(SMALL_FILES):
        begin = time.perf_counter()
        draft = folder / "draft"
        with draft.open("wb") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
        written = time.perf_counter()
        draft.rename(folder / f"small-{number}")
        fsync_folder(folder)
        fsync, rename = fsync + written - begin, rename + time.perf_counter() - written
    return 1000 * fsync / SMALL_FILES, 1000 * rename / SMALL_FILES


def shared_folder(place: Place) -> Finding | None:
    """Whether every host sees what rank 0 has written beside the run folder."""
    if place.marker is None or not place.has_other_hosts:
        return None
    ends = time.monotonic() + min(MARKER_SECONDS, place.seconds / 2)
    folder = place.marker.parent
    while time.monotonic() < ends:
        if folder.is_dir() and place.marker in folder.iterdir():
            return Finding("ok", f"{folder} is seen by all hosts")
        time.sleep(0.1)
    cure = "choose a run folder on a file system that all hosts mount"
    return Finding("failed", f"{folder} is not the one that rank 0 writes to", cure)
