"""The frame of a run: its processes, its folder, its signals and its watch."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from launch.config import BatchConfig, CheckpointConfig, EngineConfig
from launch.distributed.process_group import Processes, find_processes, first_does, start_processes
from launch.distributed.signals import Interrupts, listening
from launch.distributed.watchdog import Monitor, watched
from launch.run.run_folder import open_run_folder
from launch.run.run_lock import locked
from launch.training.engine import micro_batches_per_step


class Session(NamedTuple):
    """A run that may begin: alone in its folder, heard and watched."""

    folder: Path
    processes: Processes
    monitor: Monitor
    interrupts: Interrupts
    notes: list[str]  # what the first process has to say of the folder


@contextmanager
def session(
    run: str, config: Any, batch: BatchConfig, engine: EngineConfig, checkpoint: CheckpointConfig,
    harmless: Sequence[str],
) -> Iterator[Session]:  # fmt: skip
    """Every process of the run enters it; `harmless` are keys that may change when it goes on.

    Raises ConfigError before anything is written where the step cannot be shared among the
    processes, or where the folder holds another run.
    """
    processes = find_processes(os.environ)
    micro_batches_per_step(batch, processes)
    folder = Path(run)
    with listening() as interrupts:
        start_processes(processes, engine.timeout_seconds)
        with watched(processes, engine) as monitor, locked(folder, processes):
            goes_on, changes = checkpoint.resume == "auto", list[str]()
            first_does(
                processes,
                lambda: changes.extend(open_run_folder(folder, config, goes_on, harmless)),
            )
            notes = [f"changed: {change}" for change in changes]
            yield Session(folder, processes, monitor, interrupts, notes)
