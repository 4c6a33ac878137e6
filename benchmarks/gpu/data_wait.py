"""Prepared recordings: clips per second of a worker, and how long large waits for them."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.dataloader import WARM, loader_speed
from benchmarks.gpu.figure import Figure, Setting, at_most
from benchmarks.gpu.pretrain_run import load, log_lines, train_here, words
from benchmarks.gpu.subprocess_call import run_apart
from benchmarks.recordings import prepared
from video.readers.probe import probe
from video.synthetic import synthesize

RECORDINGS, SECONDS, ROWS = 4, 10.0, 288
MOST_WORKERS = 15
WAIT = 0.02  # share of the time
EVERY = 10  # steps between two log lines


def measure_loading(setting: Setting) -> Iterator[Figure]:
    count, seconds, rows = (1, 4.0, 72) if setting.is_dry else (RECORDINGS, SECONDS, ROWS)
    folder = setting.folder / "prepared"
    folder.mkdir()
    calls = [
        partial(_prepare, setting.folder, folder, each, seconds, rows) for each in range(count)
    ]
    files = run_apart(setting, calls)
    workers = max(1, min(MOST_WORKERS, len(os.sched_getaffinity(0)) - 1))
    if setting.is_dry:
        workers = 1
    micro_batches = WARM + (2 if setting.is_dry else 2 + 20) * workers + 2
    rate = loader_speed(probe(files[0]), workers, 4, False, micro_batches).rate
    text = f"clips of 16x224x224 read by each of {workers} workers"
    yield Figure(text, rate / workers, unit="clips/s")
    size, clips, steps = ("tiny", 4, EVERY + 2) if setting.is_dry else ("large", 128, 4 * EVERY)
    config = load(
        words(
            setting,
            "run",
            size,
            clips,
            f"data.source={folder}",
            "data.clips_per_read=4",
            f"data.workers={workers}",
            f"schedule={{steps: {steps}, epochs: null}}",
            f"log={{every_steps: {EVERY}, images_every_steps: 100000, feature_clips: 2}}",
            "engine={zero_stage: 2, compile: auto}",
        )
    )
    train_here(config)
    last = log_lines(setting.folder / "run")[-1]
    yield Figure(
        f"{size}, {clips} clips: speed with these workers",
        last["speed/clips_per_second"],
        unit="clips/s",
    )
    wait = last["speed/data_wait"]
    yield Figure(
        f"{size}, {clips} clips: of its time it waits for data", wait, at_most(WAIT), "%", True
    )


def _prepare(raw: Path, folder: Path, number: int, seconds: float, rows: int) -> str:
    (file,) = synthesize(raw / f"raw{number}", 1, seconds, rows, seed=number)
    named = file.rename(file.with_stem(f"operation{number}"))
    return prepared(probe(str(named)), folder, "jpeg", None).path
