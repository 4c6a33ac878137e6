"""What surrounds a run: process group, run folder, signals and watchdog."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from launch.config import BatchConfig, CheckpointConfig, EngineConfig
from launch.distributed.process_group import (
    Processes,
    detect_processes,
    init_process_group,
    run_on_rank0,
)
from launch.distributed.signals import SignalState, handle_signals
from launch.distributed.watchdog import Watchdog, start_watchdog
from launch.metrics.loggers import require_packages
from launch.run.run_folder import open_run_folder, require_resumable
from launch.run.run_lock import run_lock
from launch.training.engine import micro_batches_per_step


class Session(NamedTuple):
    """An open run: its folder is locked, its signals are handled, its watchdog runs."""

    folder: Path
    processes: Processes
    watchdog: Watchdog
    signals: SignalState
    messages: list[str]  # about the folder, for rank 0 to print


def check_start(config: Any) -> None:
    """Raises the ConfigError with which a run of this configuration would not start.

    Nothing is written, and neither recordings nor weights are opened. `config` is a stage's.
    """
    micro_batches_per_step(config.batch, detect_processes(os.environ))
    require_packages(config.log.loggers)
    require_resumable(Path(config.run), config, config.checkpoint.resume == "auto")


@contextmanager
def session(
    run: str,
    config: Any,
    batch: BatchConfig,
    engine: EngineConfig,
    checkpoint: CheckpointConfig,
) -> Iterator[Session]:
    """Opens a run; every process of the run enters it.

    Raises ConfigError if the batch cannot be divided among the processes, before anything is
    written, or if the folder has another run.
    """
    processes = detect_processes(os.environ)
    micro_batches_per_step(batch, processes)
    folder = Path(run)
    with handle_signals() as signals:
        init_process_group(processes, engine.collective_timeout)
        with start_watchdog(processes, engine) as watchdog, run_lock(folder, processes):
            resume, changes = checkpoint.resume == "auto", list[str]()
            run_on_rank0(
                processes,
                lambda: changes.extend(open_run_folder(folder, config, resume)),
            )
            notes = [f"changed: {change}" for change in changes]
            yield Session(folder, processes, watchdog, signals, notes)
