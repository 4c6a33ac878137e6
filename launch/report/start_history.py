"""The starts of a run: where and when it was begun, and gone on with."""

import shlex
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from launch.report.tolerant_read import Tell, cut, read_json, whole_number_of


class Start(NamedTuple):
    """An entry of `environment.json`; what it does not say is empty."""

    time: str
    from_step: int
    to_step: int | None
    host: str
    device: str
    processes: str
    launcher: str
    slurm_job: str
    git_commit: str
    words: tuple[str, ...]  # of the command, without what the launcher put in
    packages: dict[str, str]

    @property
    def command(self) -> str:
        """As it can be typed."""
        program, *rest = self.words or ("",)
        path = Path(program)
        begins = f"python -m {path.parent.name}" if path.name == "__main__.py" else program
        return " ".join((begins, shlex.join(rest))).strip()

    @property
    def when(self) -> datetime | None:
        try:
            return datetime.strptime(self.time, "%Y-%m-%dT%H:%M:%S%z")
        except ValueError:
            return None

    @property
    def clock(self) -> str:
        """Its time for the eye, in the zone of its machine."""
        when = self.when
        return when.strftime("%Y-%m-%d %H:%M:%S") if when else self.time


def read_starts(file: Path, tell: Tell) -> tuple[Start, ...]:
    """Of `environment.json`, in its order."""
    held = read_json(file, tell)
    if held is None:
        return ()
    entries = [entry for entry in held if isinstance(entry, dict)] if isinstance(held, list) else []
    if not isinstance(held, list) or len(entries) < len(held):
        tell(f"{file.name}: is not a list of starts; what is no start is left out")
    return tuple(_start(entry) for entry in entries)


def _start(entry: dict[str, Any]) -> Start:
    command, packages = entry.get("command"), entry.get("packages")
    versions = {"python": entry.get("python"), **(packages if isinstance(packages, dict) else {})}
    return Start(
        time=_text(entry.get("time")),
        from_step=whole_number_of(entry.get("from_step")) or 0,
        to_step=whole_number_of(entry.get("to_step")),
        host=_text(entry.get("host")),
        device=_text(entry.get("device")),
        processes=_text(entry.get("processes")),
        launcher=_text(entry.get("launcher")),
        slurm_job=_text(entry.get("slurm_job")),
        git_commit=_text(entry.get("git_commit")),
        words=tuple(
            word
            for each in (command if isinstance(command, list) else [command])
            if (word := _text(each)) and not word.startswith("--local_rank")
        ),
        packages={str(name): _text(version) for name, version in versions.items()},
    )


def _text(value: Any) -> str:
    return "" if value is None else cut(str(value))


def recipe_of(starts: Sequence[Start]) -> str:
    """The name of the recipe that the run was begun with; empty where nothing tells it."""
    words = starts[0].words[1:] if starts else ()
    names = [word for word in words if "=" not in word and not word.startswith("-")]
    return Path(names[0]).stem if names else ""


def package_changes(starts: Sequence[Start]) -> list[str]:
    """What versions changed between starts, a line each."""
    changes = []
    for before, after in pairwise(starts):
        for name in sorted(before.packages.keys() | after.packages.keys()):
            old, new = (each.packages.get(name, "not there") for each in (before, after))
            if old != new:
                changes.append(f"{name} {old} became {new} at the start of {after.clock}")
    return changes
