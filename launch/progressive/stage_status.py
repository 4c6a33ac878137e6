"""Whether a stage is skipped, run or refused; the docstring of the package has the table."""

from typing import Literal, NamedTuple

from launch.distributed.signals import STOPPED
from launch.progressive.chain import Chain, ChainError, Reference, Stage
from launch.progressive.console import format_time
from launch.progressive.hashing import Digests, has_content
from launch.progressive.state import ChainState, StageRecord


class StageDecision(NamedTuple):
    """`wait`: a stage before it is not complete, so nothing can be decided yet."""

    action: Literal["skip", "run", "wait", "refuse"]
    reason: str
    archives: bool = False  # its folder is renamed before it runs


class StagePlanner:
    """Compares stages with their records and with the files in their folders."""

    def __init__(self, chain: Chain, digests: Digests) -> None:
        self._chain, self._digests = chain, digests

    def decide(self, stage: Stage, state: ChainState) -> StageDecision:
        """For the plan, before any stage is started.

        Raises ChainError if a complete stage has not written a file that this one reads.
        """
        record = state.stages.get(stage.name)
        for name in stage.predecessors:
            if self.decide(self._chain.stage(name), state).action != "skip":
                return _wait_for(name, record)
        return self._decide_alone(stage, record)

    def decide_now(self, stage: Stage, state: ChainState) -> StageDecision:
        """For a stage that is next: those before it need only be complete, with their files.

        If somebody edits the recipe of a complete stage meanwhile, the next start deals with it.
        """
        for name in stage.predecessors:
            before = state.stages.get(name)
            if before is None or not before.is_complete:
                return _wait_for(name, state.stages.get(stage.name))
            missing = self._check_outputs(name, before)
            if missing:
                refused = missing.action == "refuse"
                return missing if refused else _wait_for(name, state.stages.get(stage.name))
        return self._decide_alone(stage, state.stages.get(stage.name))

    def outdated_inputs(self, stage: Stage, state: ChainState) -> list[str]:
        """Predecessors whose command or recipe changed since they ran, with the change."""
        stages = (self._chain.stage(name) for name in stage.predecessors)
        changes = ((s.name, self._command_change(s, state.stages[s.name])) for s in stages)
        return [f"{name}: {change}" for name, change in changes if change]

    def _decide_alone(self, stage: Stage, record: StageRecord | None) -> StageDecision:
        inputs = self.digest_inputs(stage)
        folder = self._chain.folder_of(stage.name)
        cure = f"move {folder} away, or use --redo {stage.name}"
        if record is None:
            if not has_content(folder):
                return StageDecision("run", "starts")
            return StageDecision(
                "refuse", f"{folder} has files, but chain.json has no record of the stage; {cure}"
            )
        if has_content(folder) and (change := _input_change(record.inputs, inputs)):
            if stage.recipe is None:
                return StageDecision("run", f"runs again: {change}", archives=True)
            return StageDecision("refuse", f"{change} since {folder} was created; {cure}")
        if not record.is_complete:
            return StageDecision("run", _resume_reason(record) if has_content(folder) else "starts")
        if missing := self._check_outputs(stage.name, record):
            return missing
        if change := self._command_change(stage, record):
            return StageDecision("run", f"runs again: {change}", archives=stage.recipe is None)
        return StageDecision("skip", f"is skipped, complete since {format_time(record.ended)}")

    def _check_outputs(self, name: str, record: StageRecord) -> StageDecision | None:
        """What follows if the outputs of a complete stage are not as it wrote them; else None."""
        folder = self._chain.folder_of(name)
        if not folder.is_dir():
            return StageDecision("run", f"runs again: {folder} is missing")
        for output in self._chain.outputs_of(name):
            now = self._digests.of(folder / output.path)
            before = record.outputs.get(output.path)
            if before and now is None:
                return StageDecision("run", f"runs again: {output} is missing")
            if before and now != before:
                cure = "restore it" + ", or remove it to have it written again" * bool(output.path)
                return StageDecision(
                    "refuse",
                    f"{output} was changed after the stage had completed; {cure}, or use "
                    f"--redo {name}",
                )
        return None

    def _command_change(self, stage: Stage, record: StageRecord) -> str:
        """How command or recipe differ from those with which the stage completed; else empty."""
        if stage.template != record.command:
            removed = [word for word in record.command if word not in stage.template]
            added = [word for word in stage.template if word not in record.command]
            if not removed and not added:
                return "the order of its arguments changed"
            return (
                f"its command changed, {' '.join(removed) or 'nothing'} became "
                f"{' '.join(added) or 'nothing'}"
            )
        if stage.recipe and self._digests.of(stage.recipe) != record.recipe_sha256:
            return f"its recipe {stage.recipe} changed"
        return ""

    def digest_inputs(self, stage: Stage) -> dict[str, str]:
        """The sha256 of each input by stage/path. Raises ChainError if one is missing."""
        return {str(each): self.digest(each) for each in stage.inputs}

    def digest(self, output: Reference) -> str:
        """Of an output of a complete stage. Raises ChainError, with the line, if it is missing."""
        folder = self._chain.folder_of(output.stage)
        found = self._digests.of(folder / output.path)
        if found is None:
            names = sorted(path.name for path in folder.glob("[!.]*")) or ["nothing"]
            raise ChainError(
                f"{self._chain.path}:{output.line}: {output.stage} is complete, but has not "
                f"written {output.path or 'anything'}; it wrote {', '.join(names)}"
            )
        return found


def _wait_for(name: str, record: StageRecord | None) -> StageDecision:
    skips = record is not None and record.is_complete
    suffix = f", and is skipped if the outputs of {name} do not change" if skips else ""
    return StageDecision("wait", f"waits for {name}{suffix}")


def _input_change(before: dict[str, str], now: dict[str, str]) -> str:
    """Which inputs differ from the recorded ones; empty if none does."""
    changes = []
    for name in before | now:
        if name not in now:
            changes.append(f"{name} is no longer an input")
        elif name not in before:
            changes.append(f"{name} is a new input")
        elif before[name] != now[name]:
            changes.append(f"{name} changed")
    return ", ".join(changes)


def _resume_reason(record: StageRecord) -> str:
    if record.exit_status is None:
        return "resumes, it was killed"
    if record.exit_status == STOPPED:
        return "resumes, it had saved and stopped"
    return f"is tried again, it ended with exit status {record.exit_status}"
