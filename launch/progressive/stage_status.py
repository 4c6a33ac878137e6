"""What a start does with a stage: skip it, run it, or refuse; the package's page has the table."""

from typing import Literal, NamedTuple

from launch.distributed.signals import STOPPED
from launch.progressive.chain import Chain, Reference, Stage
from launch.progressive.console import clock
from launch.progressive.hashing import Digests, has_content
from launch.progressive.state import ChainState, StageRecord
from launch.progressive.yaml_lines import ChainError


class StageDecision(NamedTuple):
    """`wait`: a stage that it takes from is not complete, so nobody can tell yet."""

    action: Literal["skip", "run", "wait", "refuse"]
    why: str
    puts_aside: bool = False  # what its folder holds, before it is run


class StagePlanner:
    """Compares stages with their records and with what lies in their folders."""

    def __init__(self, chain: Chain, digests: Digests) -> None:
        self._chain, self._digests = chain, digests

    def decide(self, stage: Stage, records: ChainState) -> StageDecision:
        """On a stage before anything is started.

        Raises ChainError where a complete stage has left no such file as this one takes.
        """
        for before in _takes_from(stage):
            if self.decide(self._chain.stage(before), records).action != "skip":
                return _behind(before, records.stages.get(stage.name))
        return self._own(stage, records.stages.get(stage.name))

    def decide_now(self, stage: Stage, records: ChainState) -> StageDecision:
        """On a stage whose turn has come: from those before it, it needs no more than their files.

        A recipe that is edited while the chain is at work is a matter of the next start.
        """
        for before in _takes_from(stage):
            record = records.stages.get(before)
            lost = self._lost(before, record) if record and record.is_complete else None
            if lost and lost.action == "refuse":
                return lost
            if lost or record is None or not record.is_complete:
                return _behind(before, records.stages.get(stage.name))
        return self._own(stage, records.stages.get(stage.name))

    def outdated(self, stage: Stage, records: ChainState) -> list[str]:
        """Those before a stage that are no more as they were when they ended, each with why."""
        befores = (self._chain.stage(before) for before in _takes_from(stage))
        found = ((s.name, self._different(s, records.stages[s.name])) for s in befores)
        return [f"{name}: {why}" for name, why in found if why]

    def _own(self, stage: Stage, record: StageRecord | None) -> StageDecision:
        inputs = self.inputs(stage)
        folder = self._chain.folder_of(stage.name)
        cure = f"move {folder} away, or give --redo {stage.name}"
        if record is None:
            if not has_content(folder):
                return StageDecision("run", "begins")
            return StageDecision(
                "refuse", f"{folder} holds files of which the chain knows nothing; {cure}"
            )
        if has_content(folder) and (changed := _changed(record.inputs, inputs)):
            if stage.recipe is None:
                return StageDecision("run", f"runs again: {changed}", puts_aside=True)
            return StageDecision("refuse", f"{changed} since {folder} was begun; {cure}")
        if not record.is_complete:
            return StageDecision("run", _goes_on(record) if has_content(folder) else "begins")
        if lost := self._lost(stage.name, record):
            return lost
        if again := self._different(stage, record):
            return StageDecision("run", f"runs again: {again}", puts_aside=stage.recipe is None)
        return StageDecision("skip", f"is skipped, complete since {clock(record.ended)}")

    def _lost(self, name: str, record: StageRecord) -> StageDecision | None:
        """What is to be done where files that a complete stage has left are not as they were."""
        folder = self._chain.folder_of(name)
        if not folder.is_dir():
            return StageDecision("run", f"runs again: {folder} is gone")
        for taken in self._chain.wanted(name):
            now, before = self._digests.of(folder / taken.path), record.outputs.get(taken.path)
            if before and now is None:
                return StageDecision("run", f"runs again: {taken} is gone")
            if before and now != before:
                cure = "bring it back" + ", or remove it to have it made again" * bool(taken.path)
                return StageDecision(
                    "refuse", f"{taken} is not what the stage left; {cure}, or give --redo {name}"
                )
        return None

    def _different(self, stage: Stage, record: StageRecord) -> str:
        """What is another command or recipe than the stage was complete with; else empty."""
        if stage.written != record.command:
            gone = [word for word in record.command if word not in stage.written]
            new = [word for word in stage.written if word not in record.command]
            words = f"{' '.join(gone) or 'nothing'} became {' '.join(new) or 'nothing'}"
            return words if gone or new else "its command has another order"
        if stage.recipe and self._digests.of(stage.recipe) != record.recipe_sha256:
            return f"its recipe {stage.recipe} changed"
        return ""

    def inputs(self, stage: Stage) -> dict[str, str]:
        """The digest of all that a stage takes. Raises ChainError where one is not there."""
        return {str(taken): self.digest_of(taken) for taken in stage.takes}

    def digest_of(self, taken: Reference) -> str:
        """Of what a stage is to have left. Raises ChainError, with the line, where it has not."""
        folder = self._chain.folder_of(taken.stage)
        found = self._digests.of(folder / taken.path)
        if found is None:
            left = sorted(path.name for path in folder.glob("[!.]*")) or ["nothing"]
            raise ChainError(
                f"{self._chain.path}:{taken.line}: {taken.stage} is complete and has not left "
                f"{taken.path or 'anything'}; it left {', '.join(left)}"
            )
        return found


def _takes_from(stage: Stage) -> list[str]:
    return list(dict.fromkeys(taken.stage for taken in stage.takes))


def _behind(before: str, record: StageRecord | None) -> StageDecision:
    kept = record is not None and record.is_complete
    skipped = ", and is skipped if that leaves what it left before" if kept else ""
    return StageDecision("wait", f"comes after {before}{skipped}")


def _changed(before: dict[str, str], now: dict[str, str]) -> str:
    """Which of the inputs are others than those that were recorded."""
    changes = []
    for name in before | now:
        if name not in now:
            changes.append(f"{name} is taken no more")
        elif name not in before:
            changes.append(f"{name} is taken anew")
        elif before[name] != now[name]:
            changes.append(f"{name} changed")
    return ", ".join(changes)


def _goes_on(record: StageRecord) -> str:
    if record.exit_status is None:
        return "goes on, it was killed"
    if record.exit_status == STOPPED:
        return "goes on, it had saved and stopped"
    return f"is tried again, it ended with {record.exit_status}"
