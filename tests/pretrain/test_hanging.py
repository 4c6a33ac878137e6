"""A reader that hangs or crashes in native code: counted, while the run continues."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import video.clip_reader
from launch.distributed.process_group import Processes
from launch.recipe import load_recipe
from pretrain.cli import RECIPES
from pretrain.config import PretrainConfig
from pretrain.data import PretrainBatch, open_batches
from pretrain.sources import Sources, plans_of
from tests.conftest import HANG_LIMIT
from tests.pretrain.runs import kept, words
from video.clip_sampler import ClipSampler
from video.discover import find_recordings
from video.readers.probe import probe
from video.readers.random_access import read_frames
from video.recording import Recording


def read_all(operations: Path, hanging: Path | None, *overrides: str) -> list[PretrainBatch]:
    arguments = words(operations, Path("unused"), "batch.global_batch_size=2", *overrides)
    config = load_recipe(PretrainConfig, arguments[0], arguments[1:], RECIPES, run="unused")
    recordings = [probe(path) for path in find_recordings(operations)]
    if hanging:
        recordings[0] = replace(recordings[0], path=str(hanging))
    plans = plans_of(config.data)
    sampler = ClipSampler(recordings, config.encoder.num_frames, plans)
    sources = Sources(recordings, sampler, plans, "", 0)
    found, _ = open_batches(config, sources, Processes(), range(STEPS), 1)
    return [kept(batch) for batch in found]


STEPS = 2


@pytest.mark.parametrize(
    ("end", "limit"), [(lambda: time.sleep(3600), 3), (os.abort, 200)], ids=["hang", "abort"]
)
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_a_read_that_hangs_or_crashes_is_counted_and_replaced(
    operations: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    end: Callable[[], None],
    limit: int,
) -> None:
    parent = torch.multiprocessing.current_process().pid

    def read(recording: Recording, times: list[float], rows: int, columns: int) -> np.ndarray:
        if recording.path == str(tmp_path / "hangs.mp4"):
            if torch.multiprocessing.current_process().pid != parent:
                end()
            return np.zeros((len(times), rows, columns, 3), np.uint8)  # the pictures' clips
        return read_frames(recording, times, rows, columns)

    monkeypatch.setattr(video.clip_reader, "read_frames", read)
    began = time.monotonic()
    batches = read_all(
        operations, tmp_path / "hangs.mp4", f"data.workers={workers}", f"data.read_timeout={limit}"
    )
    assert time.monotonic() - began < HANG_LIMIT
    failures = [failure for batch in batches for failure in batch.failures]
    assert {failure.path for failure in failures} == {str(tmp_path / "hangs.mp4")}
    assert "took longer than data.read_timeout) or crashed" in failures[0].reason
    assert [len(batch.clip) for batch in batches] == [2] * STEPS
    whole = read_all(operations, None)
    unharmed = [
        (one.clip, other.clip)
        for one, other in zip(batches, whole, strict=True)
        if not one.failures and set(one.recordings) == set(other.recordings)
    ]
    assert all(torch.equal(one, other) for one, other in unharmed)
