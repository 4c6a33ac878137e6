"""Two or more GPUs: losses, one visible GPU for each process, a subset, a rank that is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from benchmarks.gpu.figure import Figure, Setting, at_most
from benchmarks.gpu.machine import ROOT
from benchmarks.gpu.pretrain_run import log_lines, losses, recordings, words
from benchmarks.gpu.programs import (
    Program,
    free_port,
    rank_environment,
    start_program,
    wait_until,
)
from launch.distributed.gpu_environment import VISIBLE, visible_gpus

STEPS, MICRO_BATCH = 6, 4
CLOSE = 1e-5  # relative difference of losses in float32
LOST_SECONDS, GRACE_SECONDS = 3, 5
CONTEXT_BYTES = 64 * 2**20  # by which the memory of an idle GPU may vary


def measure_several(setting: Setting) -> Iterator[Figure]:
    recordings(setting)
    names = visible_gpus(os.environ) or [str(index) for index in range(setting.gpus)]
    count = 2 if setting.is_dry else len(names)
    arguments = partial(_words, setting, count)
    alone = start_program(setting, "alone", arguments("alone", STEPS), {})
    if alone.status():
        raise RuntimeError(f"a run on one device failed: {alone.output.read_text()[-500:]}")
    expected = losses(setting.folder / "alone")

    ranks = _start_ranks(setting, count, names, arguments("each", 1000000))
    wait_until(lambda: _logged(setting.folder / "each") >= STEPS, *ranks)
    name = f"losses of {count} processes with one visible device each"
    found = losses(setting.folder / "each")[:STEPS]
    yield Figure(name, _difference(found, expected), at_most(CLOSE))

    ranks[-1].kill(signal.SIGKILL)
    began = time.monotonic()
    for rank in ranks:
        rank.status()
    limit = at_most(LOST_SECONDS + GRACE_SECONDS)
    yield Figure("kill -9 of a rank: the others end", time.monotonic() - began, limit, "s", True)

    rise = _run_subset(setting, names, arguments("subset", STEPS))
    error = _difference(losses(setting.folder / "subset"), expected)
    yield Figure("losses on all devices but the first, local launcher", error, at_most(CLOSE))
    yield Figure(
        "memory of the first device, meanwhile", rise / 1e6, at_most(CONTEXT_BYTES / 1e6), "MB"
    )


def _words(setting: Setting, count: int, run: str, steps: int) -> list[str]:
    """The same steps on any number of processes that divides (count - 1) x count."""
    clips = MICRO_BATCH * count * (count - 1)
    return words(
        setting,
        run,
        "tiny",
        clips,
        f"batch={{global_batch_size: {clips}, micro_batch_size: {MICRO_BATCH}}}",
        f"schedule={{steps: {steps}, epochs: null, warmup: 0}}",
        "optimizer={base_lr: 1.0e-3, min_lr: 1.0e-3}",
        "log={every_steps: 1, images_every_steps: 1000000, feature_clips: 2}",
        f"engine={{zero_stage: 2, precision: fp32, compile: false, "
        f"heartbeat_timeout: {LOST_SECONDS}}}",
    )


def _start_ranks(
    setting: Setting, count: int, names: list[str], arguments: list[str]
) -> list[Program]:
    """As with `srun --gpus-per-task=1`: LOCAL_RANK counts, but each process has only GPU 0."""
    port = free_port()
    started = []
    for rank in range(count):
        environment = rank_environment(rank, count, port)
        if not setting.is_dry:
            environment[VISIBLE] = names[rank]
        started.append(start_program(setting, f"rank{rank}", arguments, environment))
    return started


def _run_subset(setting: Setting, names: list[str], arguments: list[str]) -> int:
    """Runs on all devices but the first; by how many bytes the first one's memory rose."""
    environment = {**os.environ, "MASTER_PORT": str(free_port())}
    environment |= {"PROCESSES": "1"} if setting.is_dry else {VISIBLE: ",".join(names[1:])}
    before = most = _used(setting)
    command = [sys.executable, "-m", "launch.distributed.local_launcher", "pretrain", *arguments]
    with (setting.folder / "subset.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        while process.poll() is None:
            most = max(most, _used(setting))
            time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(Path(output.name).read_text()[-500:])
    return most - before


def _used(setting: Setting) -> int:
    if setting.is_dry:
        return 0
    free, total = torch.cuda.mem_get_info(setting.device)
    return total - free


def _logged(run: Path) -> int:
    return len(log_lines(run)) if (run / "log.jsonl").exists() else 0


def _difference(found: list[float], expected: list[float]) -> float:
    return max(abs(a / b - 1) for a, b in zip(found, expected, strict=True))
