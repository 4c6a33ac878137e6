"""What surrounds a run: process group, run folder, signals and watchdog."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from launch.checkpoint.store import CHECKPOINTS_FOLDER, complete_checkpoints, step_of
from launch.config import BatchConfig, CheckpointConfig, EngineConfig
from launch.distributed.process_group import (
    Processes,
    detect_processes,
    init_process_group,
    run_on_rank0,
)
from launch.distributed.signals import SignalState, handle_signals
from launch.distributed.watchdog import Watchdog, start_watchdog
from launch.doctor.start import start_warnings
from launch.metrics.loggers import require_packages
from launch.run.folder_watch import FolderWatch, RunFolderLost, explain_error
from launch.run.run_folder import open_run_folder, require_resumable
from launch.run.run_layout import RunLayout, require_layout
from launch.run.run_lock import run_lock
from launch.training.engine import micro_batches_per_step
from launch.training.lr_schedule import remaining_steps


class Session(NamedTuple):
    """An open run: its folder is locked, its signals are handled, its watchdog runs."""

    folder: Path
    processes: Processes
    watchdog: Watchdog
    signals: SignalState
    messages: list[str]  # about the folder and the machine, for rank 0 to print
    find_loss: Callable[[], str]  # on rank 0, why the folder is no longer the run's; "" if it is


def check_start(config: Any) -> list[str]:
    """Raises the ConfigError with which a run of this configuration would not start.

    Returns a line for each value that has changed since the start of a run that would resume.
    Nothing is written, and neither recordings nor weights are opened. `config` is a stage's.
    """
    micro_batches_per_step(config.batch, detect_processes(os.environ))
    require_packages(config.log.loggers)
    changes = require_resumable(Path(config.run), config, config.checkpoint.resume == "auto")
    done = complete_checkpoints(Path(config.run) / CHECKPOINTS_FOLDER)
    if done and config.schedule.steps is not None:  # an epoch depends on the recordings
        remaining_steps(config.schedule, step_of(done[-1]), config.schedule.steps)
    return _change_lines(changes)


def _change_lines(changes: Sequence[str]) -> list[str]:
    return [f"changed: {change}" for change in changes]


@contextmanager
def session(
    run: str,
    config: Any,
    batch: BatchConfig,
    engine: EngineConfig,
    checkpoint: CheckpointConfig,
    layout: RunLayout,
) -> Iterator[Session]:
    """Opens a run; every process of the run enters it.

    Raises ConfigError if the batch cannot be divided among the processes, before anything is
    written, or if the folder has another run. An error of the body is raised as RunFolderLost if
    the folder is gone, as RunFolderError if a file in it cannot be read or written.
    """
    processes = detect_processes(os.environ)
    micro_batches_per_step(batch, processes)
    folder = Path(run)
    with handle_signals() as signals:
        init_process_group(processes, engine.collective_timeout)
        with start_watchdog(processes, engine) as watchdog, run_lock(folder, processes):
            resume, changes = checkpoint.resume == "auto", list[str]()

            def open_folder() -> None:
                require_layout(folder, layout)
                changes.extend(open_run_folder(folder, config, resume))

            with _folder_errors(folder, processes) as find_loss:
                run_on_rank0(processes, open_folder)
                notes = _change_lines(changes)
                notes += start_warnings(processes)
                yield Session(folder, processes, watchdog, signals, notes, find_loss)


@contextmanager
def _folder_errors(folder: Path, processes: Processes) -> Iterator[Callable[[], str]]:
    """Explains an error by the state of the run folder, which only rank 0 writes to."""
    watch = FolderWatch(folder) if processes.is_rank0 else None
    find_loss = watch.find_loss if watch else lambda: ""
    try:
        yield find_loss
    except Exception as error:
        if not isinstance(error, RunFolderLost) and (lost := find_loss()):
            raise RunFolderLost(lost, getattr(error, "on_every_process", False)) from error
        if explained := explain_error(error, folder):
            raise explained from error
        raise
    finally:
        if watch:
            watch.close()
