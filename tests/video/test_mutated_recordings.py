"""Two hundred damaged recordings: each is read rightly, or named and counted."""

import json
import os
import subprocess
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from tests.conftest import HANG_LIMIT, ROOT, launcher_free_environment
from tests.pretrain.runs import log_of, words
from tests.video.mutations import write_mutated
from video.manifest import read_manifest
from video.readers.container import MAX_TOLERANCE
from video.readers.random_access import read_frames
from video.recording import Recording, UnreadableVideo

COUNT = int(os.environ.get("MUTATED_RECORDINGS", "200"))
SEED = int(os.environ.get("MUTATION_SEED", "0"))
TIME_LIMIT = 60  # seconds without progress
MAX_MEMORY = 2**30  # bytes of a process
ROWS, COLUMNS = 48, 64
STORED = 16.0  # grey levels by which a prepared frame may differ: JPEG, and its size
READS = 12  # of each recording
OTHER_DECODER = 8.0  # grey levels by which another library's colours may differ
NEARER = 0.25  # as in verification

Timed = tuple[list[float], list[np.ndarray]]  # ascending times, and what is shown from then on


def run_measured(*words: str) -> tuple["subprocess.CompletedProcess[str]", int]:
    """Runs a program; its outcome, and the largest memory of any of its processes."""
    started = subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env=launcher_free_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        errors="replace",
    )
    peaks: dict[str, int] = {}
    ended = threading.Event()
    watch = threading.Thread(target=_watch_memory, args=(started.pid, peaks, ended))
    watch.start()
    try:
        out, err = started.communicate(timeout=4 * HANG_LIMIT)
    finally:
        ended.set()
        watch.join()
    done = subprocess.CompletedProcess(words, started.returncode, out, err)
    return done, max(peaks.values())


def _watch_memory(session: int, peaks: dict[str, int], ended: threading.Event) -> None:
    while not ended.wait(0.05):
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if os.getsid(int(process.name)) != session:
                    continue
                lines = (process / "status").read_text().splitlines()
            except OSError:  # it has ended
                continue
            for line in lines:
                if line.startswith("VmHWM:"):
                    peaks[process.name] = 1024 * int(line.split()[1])


def decode_in_order(recording: Recording) -> Timed:
    """All intact frames of a file and the seconds of their own stamps, by decoding once."""
    times: list[float] = []
    pictures: list[np.ndarray] = []
    first: float | None = None
    with av.open(recording.path, metadata_errors="replace") as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        unit, is_avi = float(stream.time_base), container.format.name == "avi"
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                continue
            for frame in frames:
                stamp = packet.dts if is_avi else frame.pts
                if stamp is None and is_avi and times:
                    stamp = round((times[-1] + (first or 0.0) + 1 / recording.fps) / unit)
                if stamp is None:
                    continue
                first = stamp * unit if first is None and is_avi else first
                origin = recording.first if first is None else first
                if times and stamp * unit - origin <= times[-1]:
                    continue
                if not frame.is_corrupt:
                    times.append(stamp * unit - origin)
                    small = frame.reformat(COLUMNS, ROWS, "rgb24", interpolation="BILINEAR")
                    pictures.append(small.to_ndarray())
    return times, pictures


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


def faults_of(
    recording: Recording, truth: Timed, tolerance: float, wanted: Sequence[float]
) -> list[str]:
    """Reads that return something else than what is shown; a read that raises is no fault."""
    times, pictures = truth
    faults = []
    for at in wanted:
        try:
            (read,) = read_frames(recording, [at], ROWS, COLUMNS)
        except UnreadableVideo:
            continue
        shown = bisect_right(times, at + min(MAX_TOLERANCE, 0.5 / recording.fps)) - 1
        near = [difference(read, picture) for picture in pictures[max(shown - 2, 0) : shown + 3]]
        here = difference(read, pictures[shown])
        if here > tolerance or here > min(near) + NEARER:
            faults.append(f"{Path(recording.path).name} at {at:.2f} s: {here:.1f}, {min(near):.1f}")
    return faults


def wanted_times(recording: Recording, rng: np.random.Generator) -> list[float]:
    drawn = rng.uniform(0, recording.seconds - 0.5 / recording.fps, READS)
    return sorted(
        at
        for at in drawn.tolist()
        if not any(begin - 0.05 <= at <= end for begin, end in recording.holes)
    )


@pytest.mark.soak
def test_damaged_recordings_are_read_rightly_or_named(tmp_path: Path) -> None:
    source, sources = tmp_path / "damaged", tmp_path / "sources"
    source.mkdir()
    sources.mkdir()
    files = {str(file) for file in write_mutated(source, sources, COUNT, SEED)}
    limits = ("--time-limit", str(TIME_LIMIT), "--processes", "2")
    manifest = tmp_path / "manifest.csv"
    begun = time.monotonic()
    done, memory = run_measured(
        "-m", "video", "check", str(source), "--out", str(manifest), *limits
    )
    print(f"check: {time.monotonic() - begun:.0f} s, {memory / 1e6:.0f} MB a process")
    assert done.returncode in (0, 1), done.stderr[-2000:]
    assert memory < MAX_MEMORY
    recordings = read_manifest(manifest)
    usable = {recording.path for recording in recordings}
    report = manifest.with_suffix(".txt").read_text()
    unnamed = [file for file in files - usable if f"  {file}: " not in report]
    assert not unnamed
    assert f"{COUNT} recordings: {len(usable)} usable" in report
    truths = {recording.path: decode_in_order(recording) for recording in recordings}
    faults = []
    for number, recording in enumerate(recordings):
        tolerance = OTHER_DECODER if recording.reader == "decord" else 0.0
        times = wanted_times(recording, np.random.default_rng([SEED, number]))
        faults += faults_of(recording, truths[recording.path], tolerance, times)
    assert not faults, "\n".join(faults)

    out = tmp_path / "prepared"
    done, memory = run_measured(
        "-m", "video", "prepare", str(manifest), str(out), "--form", "jpeg", *limits
    )
    print(f"prepare: {memory / 1e6:.0f} MB a process")
    assert done.returncode in (0, 1), done.stderr[-2000:]
    assert memory < MAX_MEMORY
    prepared = read_manifest(out / "manifest.csv")
    report = (out / "report.txt").read_text()
    missing = usable - {recording.original for recording in prepared}
    assert all(f"  {path}: " in report for path in missing)
    for number, recording in enumerate(prepared):
        times = wanted_times(recording, np.random.default_rng([SEED, number]))
        faults += faults_of(recording, truths[recording.original], STORED, times)
    assert not faults, "\n".join(faults)

    for name, data in (("unchecked", source), ("checked", manifest), ("prepared", out)):
        run = tmp_path / name
        overrides = ("data.max_unreadable=1", f"data.read_timeout={TIME_LIMIT}", "data.workers=1")
        done, memory = run_measured("-m", "pretrain", *words(data, run, *overrides))
        assert done.returncode == 0, f"{name}: {done.stderr[-2000:]}"
        print(f"{name}: {memory / 1e6:.0f} MB a process")
        assert memory < MAX_MEMORY
        log = run / "unreadable.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        entries = [json.loads(line) for line in lines]
        assert all(entry["reason"] for entry in entries)
        assert log_of(run)[-1]["data/unreadable"] == sum(e["during"] == "reads" for e in entries)
        if name == "unchecked":
            opened = read_manifest(run / "manifest.csv")
            short = [entry["path"] for entry in entries if "a clip" in entry["reason"]]
            assert {recording.path for recording in opened} | set(short) >= usable
            for number, recording in enumerate(opened):
                times = wanted_times(recording, np.random.default_rng([SEED, number]))
                faults += faults_of(recording, decode_in_order(recording), 0.0, times)
            assert not faults, "\n".join(faults)
