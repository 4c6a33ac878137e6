"""The whole chain on this machine or in this allocation, or one stage of it."""

import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence

from launch.progressive.chain import Chain, Stage
from launch.progressive.console import say
from launch.progressive.hashing import Digests
from launch.progressive.launchers import gpus, launch_of
from launch.progressive.locks import chain_lock, is_locked, stage_lock
from launch.progressive.signals import SignalForwarder, forward_signals
from launch.progressive.stage_runner import StageRunner, put_aside
from launch.progressive.stage_status import StageDecision, StagePlanner
from launch.progressive.state import read_state
from launch.progressive.subprocess_log import wait_for_orphaned_stage
from launch.progressive.summary_table import table
from launch.progressive.yaml_lines import ChainError


def run_chain(chain: Chain, redo: Sequence[str]) -> None:
    """Every stage that is not complete. Raises ChainError, Stopped, StageFailed."""
    with forward_signals() as relay, chain_lock(chain.folder):
        say(f"{chain.path}, {len(chain.stages)} stages in {chain.folder}")
        put_all_aside(chain, redo)
        for stage in chain.stages:
            _wait_until_alone(chain, stage, relay)
        runner = StageRunner(chain, Digests(), relay)
        verdicts = planned(chain, (), runner.judge)
        require_allowed(verdicts)
        require_usable([stage for stage, verdict in verdicts if verdict.action != "skip"])
        try:
            for stage in chain.stages:
                runner.run(stage)
        finally:
            for line in table(chain, read_state(chain.folder)):
                say(line)


def run_stage(chain: Chain, name: str, redo: Sequence[str]) -> None:
    """One stage, whose inputs must be there; other stages may run elsewhere meanwhile."""
    stage = chain.stage(name)
    if redo:
        with chain_lock(chain.folder):
            put_all_aside(chain, redo)
    with forward_signals() as relay, stage_lock(chain.folder, name):
        _wait_until_alone(chain, stage, relay)
        StageRunner(chain, Digests(), relay).run(stage)


def show_plan(
    chain: Chain, redo: Sequence[str], only: str | None, environment: Mapping[str, str]
) -> None:
    """What would be done with each stage, or with one, and the commands that would run."""
    machine_gpus = gpus()
    for stage, verdict in planned(chain, redo, StagePlanner(chain, Digests())):
        if only and stage != chain.stage(only):
            continue
        running = "is running; " if is_locked(chain.log_of(stage.name)) else ""
        refused = "is refused: " if verdict.action == "refuse" else ""
        say(f"{stage.name} {running}{refused}{verdict.why}")
        if verdict.action in ("run", "wait"):
            say(f"    {shlex.join(launch_of(stage, chain, environment, machine_gpus).command)}")


def planned(
    chain: Chain, redo: Sequence[str], judge: StagePlanner
) -> list[tuple[Stage, StageDecision]]:
    """The verdict on every stage if a chain began now; changes nothing."""
    anew, records = redone(chain, redo), read_state(chain.folder)
    verdict = StageDecision("run", "begins anew; what is there is put aside")
    return [
        (stage, verdict if stage.name in anew else judge.decide(stage, records))
        for stage in chain.stages
    ]


def put_all_aside(chain: Chain, redo: Sequence[str]) -> None:
    """The stages that are to begin anew, and all that take from them."""
    for name in redone(chain, redo):
        put_aside(chain, name)


def redone(chain: Chain, redo: Sequence[str]) -> list[str]:
    """Names of stages, and of those that follow from them. Raises ChainError for unknown ones."""
    names = [chain.stage(name).name for name in redo]
    names += [stage.name for name in redo for stage in chain.following(name)]
    return list(dict.fromkeys(names))


def require_allowed(verdicts: Sequence[tuple[Stage, StageDecision]]) -> None:
    """Raises ChainError for what could only be refused later, before anything is started."""
    for stage, verdict in verdicts:
        if verdict.action == "refuse":
            raise ChainError(f"{stage.name}: {verdict.why}")


def require_usable(stages: Sequence[Stage]) -> None:
    """Raises ChainError where a stage's program refuses its recipe and settings.

    Asked of all before the first is started: else days pass before the last one's turn.
    """
    for stage in stages:
        if stage.recipe is not None:
            words = [sys.executable, "-m", *stage.command, "--check"]
            done = subprocess.run(words, capture_output=True, text=True)
            if done.returncode:
                last = (done.stderr.strip() or "no word").splitlines()[-1]
                raise ChainError(f"{stage.name}: {last}")


def _wait_until_alone(chain: Chain, stage: Stage, relay: SignalForwarder) -> None:
    log = chain.log_of(stage.name)
    if not is_locked(log):
        return
    record = read_state(chain.folder).stages.get(stage.name)
    here = record is not None and record.host == platform.node()
    leader = record.process if record and here else None
    who = f"process {leader}" if leader else f"on {record.host if record else 'some machine'}"
    say(f"{stage.name} is still running, {who}: its chain was killed; it is waited for")
    wait_for_orphaned_stage(log, leader, record.levels if record else 0, relay)
    relay.require_unasked(f"while it waited for {stage.name}")
