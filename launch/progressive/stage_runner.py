"""Runs one stage: decides, starts it, and records how it ended."""

import os
import platform
import time
from dataclasses import replace
from typing import NamedTuple

from launch.distributed.gpu_environment import count_gpus
from launch.distributed.signals import INTERRUPTED, STOPPED, Stopped
from launch.progressive.chain import Chain, ChainError, Stage
from launch.progressive.console import echo, format_duration
from launch.progressive.hashing import Digests
from launch.progressive.launchers import launch_command
from launch.progressive.signals import SignalForwarder
from launch.progressive.stage_status import StagePlanner
from launch.progressive.state import StageRecord, read_state, record_archived, record_stage
from launch.progressive.subprocess_log import run_logged


class StageFailed(RuntimeError):
    """A stage ended with an exit status that means neither success nor a stop."""

    on_every_process = True

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class StageRunner(NamedTuple):
    """What all stages need to be run one after the other."""

    chain: Chain
    digests: Digests
    forwarder: SignalForwarder

    @property
    def planner(self) -> StagePlanner:
        return StagePlanner(self.chain, self.digests)

    def run(self, stage: Stage) -> None:
        """Completes a stage, or skips one that is complete.

        Raises ChainError if it is refused, Stopped or StageFailed if it does not complete.
        """
        self.forwarder.raise_if_stopped(f"before {stage.name}")
        state = read_state(self.chain.folder)
        decision = self.planner.decide_now(stage, state)
        if decision.action == "wait":
            raise ChainError(f"{stage.name} {decision.reason}; run that stage first")
        if decision.action == "refuse":
            raise ChainError(f"{stage.name}: {decision.reason}")
        if decision.action == "skip":
            echo(f"{stage.name} {decision.reason}")
            self._record_outputs(stage, state.stages[stage.name])
            return
        for change in self.planner.outdated_inputs(stage, state):
            echo(f"warning: {change}; {stage.name} uses what was written before that")
        if decision.archives:
            archive_stage(self.chain, stage.name)
        self._start(stage, decision.reason)

    def _start(self, stage: Stage, reason: str) -> None:
        launch = launch_command(stage, self.chain, os.environ, count_gpus())
        record = record_stage(self.chain.folder, stage.name, self._new_record(stage))
        log = self.chain.log_of(stage.name)
        if stage.recipe is None:
            self.chain.folder_of(stage.name).mkdir(exist_ok=True)
        count = launch.processes
        on = "tasks of the job" if count is None else f"{count} process{'es' * (count > 1)}"
        echo(f"{stage.name} {reason}; {on}, log {log}")
        began = time.monotonic()
        status = run_logged(launch, log, self.forwarder, lambda line: echo(f"{stage.name}: {line}"))
        seconds = time.monotonic() - began
        ended = replace(record, exit_status=status, ended=_now(), seconds=record.seconds + seconds)
        record_stage(self.chain.folder, stage.name, ended)
        self._finish(stage, ended, format_duration(seconds))

    def _new_record(self, stage: Stage) -> StageRecord:
        """For `chain.json` before the stage is started: it has no end yet."""
        before = read_state(self.chain.folder).stages.get(stage.name)
        digest = self.digests.of(stage.recipe) if stage.recipe else None
        recipe = str(stage.recipe) if stage.recipe else None
        inputs = self.planner.digest_inputs(stage)
        record = StageRecord(stage.template, recipe, digest, inputs, _now(), host=platform.node())
        if before is not None:
            record = replace(
                record, begun=before.begun, seconds=before.seconds, starts=before.starts + 1
            )
        return record

    def _finish(self, stage: Stage, record: StageRecord, duration: str) -> None:
        status, log = record.exit_status, self.chain.log_of(stage.name)
        if status in (STOPPED, INTERRUPTED):
            what = "has saved and stopped" if status == STOPPED else "was interrupted"
            stopped = Stopped(
                f"{stage.name} {what} after {duration}; run the same command to resume", True
            )
            stopped.exit_status = status
            raise stopped
        if status:
            raise StageFailed(
                f"{stage.name} ended with exit status {status} after {duration}; log {log}", status
            )
        echo(f"{stage.name} is complete after {duration}")
        self._record_outputs(stage, record)

    def _record_outputs(self, stage: Stage, record: StageRecord) -> None:
        """Raises ChainError, with the line, if a file that another stage reads is missing."""
        needed = self.chain.outputs_of(stage.name)
        outputs = {each.path: self.planner.digest(each) for each in needed}
        if not outputs.items() <= record.outputs.items():
            merged = {**record.outputs, **outputs}
            record_stage(self.chain.folder, stage.name, replace(record, outputs=merged))


def archive_stage(chain: Chain, name: str) -> None:
    """Renames a stage's folder, log and record to the first free NAME.old-1; deletes nothing."""
    used = {path.name.removesuffix(".log") for path in chain.folder.glob(f"{name}.old-*")}
    number = 1
    while f"{name}.old-{number}" in used:
        number += 1
    new_name = f"{name}.old-{number}"
    moved = [path for path in (chain.folder_of(name), chain.log_of(name)) if path.exists()]
    for path in moved:
        path.rename(chain.folder / (new_name + path.suffix))
    record_archived(chain.folder, name, new_name)
    if moved:
        echo(f"{name} is archived as {chain.folder / new_name}")


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
