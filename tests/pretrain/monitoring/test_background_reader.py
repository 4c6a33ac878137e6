"""Probe clips read in the background: the same clips, and every way in which it may end."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import pretrain.monitoring.background_reader
from launch.distributed.process_group import Processes
from pretrain.monitoring.background_reader import BackgroundReader
from pretrain.monitoring.probe_clips import ProbeClips
from pretrain.monitoring.read_clips import read_share
from tests.conftest import HANG_LIMIT, ROOT
from video.discover import find_recordings
from video.readers.probe import probe

SIZE = (64, 64)


def probe_clips(operations: Path, clips: int) -> ProbeClips:
    recordings = [probe(path) for path in find_recordings(operations)]
    index = [number % len(recordings) for number in range(clips)]
    times = [(0.1 * number, 0.1 * number + 0.2) for number in range(clips)]
    return ProbeClips(recordings, index, times, None, ())


def start(clips: ProbeClips, rank: int = 0, world_size: int = 1) -> BackgroundReader:
    return BackgroundReader(clips, Processes(rank, world_size), SIZE, 2, 60.0)


def test_clips_are_those_that_reading_at_once_gives(operations: Path, tmp_path: Path) -> None:
    clips = probe_clips(operations, 5)
    gone = replace(clips.recordings[-1], path=str(tmp_path / "gone.mp4"))
    clips = clips._replace(recordings=[*clips.recordings[:-1], gone])
    for rank in (0, 1):
        reader = start(clips, rank, 2)
        at_once = read_share(clips, Processes(rank, 2), SIZE, 2, 60.0)
        share = reader.share()
        assert share.numbers == at_once.numbers
        assert list(map(str, share.failures)) == list(map(str, at_once.failures))
        assert torch.equal(share.clips, at_once.clips)
    assert any("gone.mp4" in str(failure) for failure in share.failures)


def test_an_error_of_the_background_process_is_raised_by_share(
    operations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("not about a recording")

    monkeypatch.setattr(pretrain.monitoring.background_reader, "read_share", broken)
    with pytest.raises(RuntimeError, match="not about a recording"):
        start(probe_clips(operations, 2)).share()


def test_a_killed_process_is_reported(operations: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        pretrain.monitoring.background_reader, "read_clips", lambda *_: os.kill(os.getppid(), 9)
    )
    with pytest.raises(RuntimeError, match=f"exit code {-signal.SIGKILL}"):
        start(probe_clips(operations, 2)).share()


def test_closing_does_not_wait_for_unread_clips(
    operations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = 2 * HANG_LIMIT
    monkeypatch.setattr(
        pretrain.monitoring.background_reader, "read_clips", lambda *_: time.sleep(sleep)
    )
    began = time.monotonic()
    reader = BackgroundReader(probe_clips(operations, 4), Processes(), SIZE, 2, float(sleep))
    reader.close()
    reader.close()
    assert time.monotonic() - began < HANG_LIMIT


PROGRAM = f"""
import os, sys, time
import pretrain.monitoring.background_reader
from launch.distributed.process_group import Processes
from pretrain.monitoring.background_reader import BackgroundReader
from pretrain.monitoring.probe_clips import ProbeClips
from video.readers.probe import probe

pretrain.monitoring.background_reader.read_clips = lambda *_: time.sleep({2 * HANG_LIMIT})
clips = ProbeClips(4 * [probe(sys.argv[1])], list(range(4)), 4 * [(0.0,)], None, ())
reader = BackgroundReader(clips, Processes(), (64, 64), 2, {2 * HANG_LIMIT}.0)
"""


@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit(0)"])
def test_reading_ends_with_the_program(operations: Path, end: str) -> None:
    command = [sys.executable, "-c", PROGRAM + end, find_recordings(operations)[0]]
    # waits for the pipes, which a process that still reads would hold
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG_LIMIT)
    assert done.returncode == 0, done.stderr


LATE = """
end_with_parent = pretrain.monitoring.background_reader.end_with_parent
late = lambda parent: time.sleep(1) or end_with_parent(parent)
pretrain.monitoring.background_reader.end_with_parent = late
"""


def test_reading_ends_where_the_program_ended_before_the_reader_was_ready(
    operations: Path,
) -> None:
    program = PROGRAM.replace("\nclips = ", f"{LATE}\nclips = ") + "os._exit(0)"
    assert "lambda parent: time.sleep(1)" in program
    command = [sys.executable, "-c", program, find_recordings(operations)[0]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG_LIMIT)
    assert done.returncode == 0, done.stderr
