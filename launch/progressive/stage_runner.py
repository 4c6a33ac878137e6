"""One stage from its verdict to its record."""

import os
import platform
import time
from dataclasses import replace
from typing import NamedTuple

from launch.distributed.signals import INTERRUPTED, STOPPED, Stopped
from launch.progressive.chain import Chain, Stage
from launch.progressive.console import say, span
from launch.progressive.hashing import Digests
from launch.progressive.launchers import gpus, launch_of
from launch.progressive.locks import is_locked
from launch.progressive.signals import SignalForwarder
from launch.progressive.stage_status import StagePlanner
from launch.progressive.state import StageRecord, read_state, record_aside, record_stage
from launch.progressive.subprocess_log import run_logged
from launch.progressive.yaml_lines import ChainError


class StageFailed(RuntimeError):
    """A stage ended with a status that is neither success nor a stop."""

    on_every_process = True

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class StageRunner(NamedTuple):
    """All that stages need to be run, one after the other."""

    chain: Chain
    digests: Digests
    relay: SignalForwarder

    @property
    def judge(self) -> StagePlanner:
        return StagePlanner(self.chain, self.digests)

    def run(self, stage: Stage) -> None:
        """Brings a stage to its end, which may be there already.

        Raises ChainError where that is refused, Stopped and StageFailed where it is not reached.
        """
        self.relay.require_unasked(f"before {stage.name}")
        records = read_state(self.chain.folder)
        verdict = self.judge.decide_now(stage, records)
        if verdict.action == "wait":
            raise ChainError(f"{stage.name} {verdict.why}, which is not complete; run that first")
        if verdict.action == "refuse":
            raise ChainError(f"{stage.name}: {verdict.why}")
        if verdict.action == "skip":
            say(f"{stage.name} {verdict.why}")
            self._record_outputs(stage, records.stages[stage.name])
            return
        for changed in self.judge.outdated(stage, records):
            say(f"warning: {changed}; {stage.name} takes what was left before that")
        if verdict.puts_aside:
            put_aside(self.chain, stage.name)
        self._start(stage, verdict.why)

    def _start(self, stage: Stage, why: str) -> None:
        launch = launch_of(stage, self.chain, os.environ, gpus())
        record = self._begun(stage)
        log = self.chain.log_of(stage.name)
        if stage.recipe is None:
            self.chain.folder_of(stage.name).mkdir(exist_ok=True)
        count = launch.processes
        on = "the job's processes" if count is None else f"{count} process{'es' * (count > 1)}"
        say(f"{stage.name} {why}; {on}, log {log}")

        def started(leader: int) -> None:
            known = replace(record, process=leader, levels=launch.levels)
            record_stage(self.chain.folder, stage.name, known)

        began = time.monotonic()
        status = run_logged(
            launch, log, self.relay, started, lambda line: say(f"{stage.name} {line}")
        )
        seconds = time.monotonic() - began
        seconds_in_all = record.seconds + seconds
        ended = replace(record, exit_status=status, ended=_now(), seconds=seconds_in_all)
        record_stage(self.chain.folder, stage.name, ended)
        self._end(stage, ended, span(seconds))

    def _begun(self, stage: Stage) -> StageRecord:
        """What is on the disk before the stage is started."""
        before = read_state(self.chain.folder).stages.get(stage.name)
        digest = self.digests.of(stage.recipe) if stage.recipe else None
        recipe = str(stage.recipe) if stage.recipe else None
        inputs = self.judge.inputs(stage)
        record = StageRecord(stage.written, recipe, digest, inputs, _now(), host=platform.node())
        if before is not None:
            record = replace(
                record, begun=before.begun, seconds=before.seconds, starts=before.starts + 1
            )
        return record_stage(self.chain.folder, stage.name, record)

    def _end(self, stage: Stage, record: StageRecord, took: str) -> None:
        status, log = record.exit_status, self.chain.log_of(stage.name)
        if status in (STOPPED, INTERRUPTED):
            what = "has saved and stopped" if status == STOPPED else "was interrupted"
            stopped = Stopped(f"{stage.name} {what} after {took}; the same command goes on", True)
            stopped.exit_status = status
            raise stopped
        if status:
            raise StageFailed(f"{stage.name} ended with {status} after {took}; log {log}", status)
        say(f"{stage.name} is complete after {took}")
        self._record_outputs(stage, record)

    def _record_outputs(self, stage: Stage, record: StageRecord) -> None:
        """Raises ChainError, with the line, where there is not what another stage takes."""
        wanted = self.chain.wanted(stage.name)
        outputs = {taken.path: self.judge.digest_of(taken) for taken in wanted}
        if not outputs.items() <= record.outputs.items():
            known = {**record.outputs, **outputs}
            record_stage(self.chain.folder, stage.name, replace(record, outputs=known))


def put_aside(chain: Chain, name: str) -> None:
    """Renames a stage's folder and log to the first free `NAME.old-1`, and its record with them.

    Raises ChainError where the stage is still running.
    """
    folder, log = chain.folder_of(name), chain.log_of(name)
    if is_locked(log):
        raise ChainError(f"{name} is still running; wait for it or end it, then put it aside")
    taken = {path.name.removesuffix(".log") for path in chain.folder.glob(f"{name}.old-*")}
    number = 1
    while f"{name}.old-{number}" in taken:
        number += 1
    aside = f"{name}.old-{number}"
    moved = [path for path in (folder, log) if path.exists()]
    for path in moved:
        path.rename(chain.folder / (aside + path.suffix))
    record_aside(chain.folder, name, aside)
    if moved:
        say(f"{name} is put aside as {chain.folder / aside}")


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
