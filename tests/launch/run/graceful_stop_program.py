"""Steps of a run of which rank 1 gets a signal; run by test_graceful_stop.

    graceful_stop_program.py FOLDER deferred|immediate

Prints a JSON object: the step after which this process stops, and the saver's states when a
checkpoint was continued.
"""

import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

import torch

import launch.checkpoint.saver as saving
from launch.config import CheckpointConfig
from launch.distributed.process_group import (
    destroy_process_group,
    detect_processes,
    init_process_group,
)
from launch.distributed.signals import SignalState, Stopped
from launch.run.graceful_stop import GracefulStop
from launch.training.zero_shards import WEIGHT, Fragment

SIGNAL_AT, STEPS, SAVED = 12, 40, (2, 3)


def write_slowly(*arguments: Any) -> Any:
    time.sleep(0.3)
    return WRITE(*arguments)


WRITE = saving._write


def main() -> None:
    saving._write = write_slowly
    processes = detect_processes(os.environ)
    init_process_group(processes, 60)
    fragment = Fragment(f"weight{processes.rank}", (6,), 0, {WEIGHT: torch.ones(6)})
    state: Any = SimpleNamespace(
        fragments=lambda: [fragment], is_replicated=False, scalars=dict, load_scalars=print
    )
    signals = SignalState()
    config = CheckpointConfig(async_save=True, keep_last=10)
    saver = saving.Saver(Path(sys.argv[1]), processes, config, print)
    watchdog: Any = SimpleNamespace(set_status=lambda status: 0.0)
    stop = GracefulStop(saver, signals, watchdog, str, STEPS, sys.argv[2] == "deferred")
    continued: list[bool] = []
    poll = saver.poll

    def watched_poll(busy: bool) -> bool:
        was_busy = saver.is_busy
        advanced = poll(busy)
        continued.extend([was_busy] * advanced)
        return advanced

    saver.poll = watched_poll  # type: ignore[method-assign]
    stopped = 0
    for step in range(1, STEPS + 1):
        time.sleep(0.1)
        if step == SIGNAL_AT and processes.rank == 1:
            signals.request = "SIGTERM"
        stop.poll(step)
        try:
            stop.end_step(step, state, {}, saves=step in SAVED)
        except Stopped:
            stopped = step
            break
    print(json.dumps({"stopped": stopped, "busy": continued}))
    destroy_process_group()


if __name__ == "__main__":
    main()
