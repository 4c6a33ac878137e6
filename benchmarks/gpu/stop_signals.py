"""A run that is told to stop, is killed, or makes no progress; and the GPU afterwards."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.gpu.figure import Figure, Setting, at_least, at_most, holds
from benchmarks.gpu.pretrain_run import recordings, words
from benchmarks.gpu.programs import Program, start_program, wait_until
from launch.checkpoint.store import CHECKPOINTS_FOLDER, complete_checkpoints
from launch.distributed.signals import STOPPED
from pretrain.data import PretrainBatch
from pretrain.loop import PretrainRun, train

STOP_SECONDS = 5.0  # a step and a save of a tiny model, and the end of the program
EMPTY_SECONDS = 10.0
HANG_SECONDS = 3
TOLD_SECONDS = 4.0  # after that, in which the others may answer
STALLS_AT, STALLED_IN = 3, "in stalling_batches"  # batches, and a line of the stack
CONTEXT_BYTES = 64 * 2**20  # by which the memory of an empty GPU may vary


def stop_runs(setting: Setting) -> Iterator[Figure]:
    recordings(setting)
    before = _used_bytes(setting)
    running = {
        name: _start(setting, name, stalls=name == "stalls") for name in ("stops", "dies", "stalls")
    }
    for name, program in running.items():
        wait_until(lambda name=name: _has_logged(setting.folder / name), program)  # type: ignore[misc]
    stops, dies, stalls = running.values()

    began = time.monotonic()
    stops.kill(signal.SIGTERM)
    status = stops.status()
    spent = time.monotonic() - began
    yield Figure("SIGTERM: until it has saved and ended", spent, at_most(STOP_SECONDS), "s", True)
    yield holds("SIGTERM: exit status 75", status == STOPPED)
    saved = complete_checkpoints(setting.folder / "stops" / CHECKPOINTS_FOLDER)
    yield Figure("SIGTERM: checkpoints that it has saved", len(saved), at_least(1))

    # a start that is slow is told of too, before it
    wait_until(lambda: STALLED_IN in stalls.output.read_text(), stalls)
    before_place = stalls.output.read_text().partition(STALLED_IN)[0]
    told = float(re.findall(r"no progress for (\d+) s", before_place)[-1])
    limit = at_most(HANG_SECONDS + TOLD_SECONDS)
    yield Figure("no progress: told with the place, after", told, limit, "s", True)
    stalls.kill(signal.SIGKILL)
    stalls.status()

    began = time.monotonic()
    dies.kill(signal.SIGKILL)
    dies.status()
    while time.monotonic() - began < 2 * EMPTY_SECONDS and not _is_empty(setting, before):
        time.sleep(0.05)
    spent = time.monotonic() - began
    yield Figure(
        "SIGKILL: until workers and GPU memory are gone", spent, at_most(EMPTY_SECONDS), "s"
    )


def _start(setting: Setting, name: str, stalls: bool) -> Program:
    hang = HANG_SECONDS if stalls else 300
    arguments = words(
        setting,
        name,
        "tiny",
        4,
        "schedule={steps: 1000000, epochs: null}",
        "data.workers=1",
        "log={every_steps: 1, images_every_steps: 1000000, feature_clips: 2}",
        f"engine={{zero_stage: 2, compile: false, hang_timeout: {hang}}}",
    )
    return start_program(setting, name, arguments, {}, _stalling if stalls else train)


def _stalling(run: PretrainRun) -> None:
    def stalling_batches() -> Iterator[PretrainBatch]:
        for number, batch in enumerate(run.batches):
            if number == STALLS_AT:
                time.sleep(3600)
            yield batch

    train(run._replace(batches=stalling_batches()))


def _has_logged(run: Path) -> bool:
    file = run / "log.jsonl"
    return file.exists() and "loss/train" in file.read_text()


def _used_bytes(setting: Setting) -> int:
    """Of the GPU, by all programs; 0 on a CPU."""
    if setting.is_dry:
        return 0
    free, total = torch.cuda.mem_get_info(setting.device)
    return total - free


def _is_empty(setting: Setting, before: int) -> bool:
    """Whether no process of this check is left but this one, and its memory is free."""
    group = os.getpgid(0)
    members = (path.name for path in Path("/proc").iterdir() if path.name.isdigit())
    others = [pid for pid in members if int(pid) != os.getpid() and _group(int(pid)) == group]
    return not others and _used_bytes(setting) <= before + CONTEXT_BYTES


def _group(pid: int) -> int:
    """Of processes that live; -1 of others."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] == "Z" else int(fields[2])
