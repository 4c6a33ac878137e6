"""Runs all stages of a chain, or one of them; or shows what would be run."""

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence

from launch.distributed.gpu_environment import count_gpus
from launch.progressive.chain import Chain, ChainError, Stage
from launch.progressive.console import echo, summary_table
from launch.progressive.hashing import Digests
from launch.progressive.launchers import launch_command
from launch.progressive.locks import chain_lock, lock_conflict, stage_lock
from launch.progressive.signals import forward_signals
from launch.progressive.stage_runner import StageRunner, archive_stage
from launch.progressive.stage_status import StageDecision, StagePlanner
from launch.progressive.state import read_state


def run_chain(chain: Chain, redo: Sequence[str]) -> None:
    """Runs every stage that is not complete. Raises ChainError, Stopped or StageFailed."""
    with forward_signals() as forwarder, chain_lock(chain.folder):
        count = len(chain.stages)
        echo(f"{chain.path}, {count} stage{'s' * (count != 1)} in {chain.folder}")
        archive_stages(chain, redo)
        runner = StageRunner(chain, Digests(), forwarder)
        plan = make_plan(chain, (), runner.planner)
        check_plan(plan)
        try:
            for stage in chain.stages:
                runner.run(stage)
        finally:
            for line in summary_table(chain, read_state(chain.folder)):
                echo(line)


def run_stage(chain: Chain, name: str, redo: Sequence[str]) -> None:
    """Runs one stage, whose inputs must exist; jobs may run other stages at the same time."""
    stage = chain.stage(name)
    if redo:
        with chain_lock(chain.folder):
            archive_stages(chain, redo)
    with forward_signals() as forwarder, stage_lock(chain.folder, name):
        StageRunner(chain, Digests(), forwarder).run(stage)


def show_plan(
    chain: Chain, redo: Sequence[str], only: str | None, environment: Mapping[str, str]
) -> None:
    """Prints what would be done with each stage, or with one, and the commands."""
    machine_gpus, state = count_gpus(), read_state(chain.folder)
    conflict = lock_conflict(chain.folder)
    if conflict:
        echo(f"warning: {conflict}")
    for stage, decision in make_plan(chain, redo, StagePlanner(chain, Digests())):
        if only and stage != chain.stage(only):
            continue
        record = state.stages.get(stage.name)
        if conflict and record is not None and record.exit_status is None:
            echo(f"{stage.name} is running")
            continue
        refused = "is refused: " if decision.action == "refuse" else ""
        echo(f"{stage.name} {refused}{decision.reason}")
        if decision.action in ("run", "wait"):
            command = launch_command(stage, chain, environment, machine_gpus).command
            echo(f"    {shlex.join(command)}")


def make_plan(
    chain: Chain, redo: Sequence[str], planner: StagePlanner
) -> list[tuple[Stage, StageDecision]]:
    """The decision on every stage if the chain were started now; changes nothing."""
    again, state = stages_to_redo(chain, redo), read_state(chain.folder)
    redone = StageDecision("run", "starts again; what exists is archived")
    return [
        (stage, redone if stage.name in again else planner.decide(stage, state))
        for stage in chain.stages
    ]


def archive_stages(chain: Chain, redo: Sequence[str]) -> None:
    """Archives the stages to be run again, and all that depend on them."""
    for name in stages_to_redo(chain, redo):
        archive_stage(chain, name)


def stages_to_redo(chain: Chain, redo: Sequence[str]) -> list[str]:
    """The named stages and those that depend on them. Raises ChainError for an unknown name."""
    names = [chain.stage(name).name for name in redo]
    names += [stage.name for name in redo for stage in chain.dependents(name)]
    return list(dict.fromkeys(names))


def check_plan(plan: Sequence[tuple[Stage, StageDecision]]) -> None:
    """Raises ChainError for a stage that is refused, by the chain or by its own program.

    Before the first stage starts: a mistyped setting of the last one must not show after days.
    """
    for stage, decision in plan:
        if decision.action == "refuse":
            raise ChainError(f"{stage.name}: {decision.reason}")
    for stage, decision in plan:
        if decision.action != "skip" and stage.recipe is not None:
            command = [sys.executable, "-m", *stage.command, "--check"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                last = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
                raise ChainError(f"{stage.name}: {last}")
