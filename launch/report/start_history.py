"""The starts of a run, from `environment.json`: when, where and how it was started and resumed."""

import shlex
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from launch.report.tolerant_read import Warn, read_json, to_count, truncate


class Start(NamedTuple):
    """An entry of `environment.json`; what is unknown is empty."""

    time: str
    from_step: int
    to_step: int | None
    host: str
    device: str
    processes: str
    launcher: str
    slurm_job: str
    git_commit: str
    words: tuple[str, ...]  # of the command, without arguments that the launcher added
    packages: dict[str, str]  # versions

    @property
    def command(self) -> str:
        """The command as it can be typed."""
        program, *arguments = self.words or ("",)
        path = Path(program)
        begin = f"python -m {path.parent.name}" if path.name == "__main__.py" else program
        return " ".join((begin, shlex.join(arguments))).strip()

    @property
    def parsed_time(self) -> datetime | None:
        try:
            return datetime.strptime(self.time, "%Y-%m-%dT%H:%M:%S%z")
        except ValueError:
            return None

    @property
    def local_time(self) -> str:
        """In the time zone of its machine."""
        parsed = self.parsed_time
        return parsed.strftime("%Y-%m-%d %H:%M:%S") if parsed else self.time


def read_starts(file: Path, warn: Warn) -> tuple[Start, ...]:
    """In the order of the file."""
    values = read_json(file, warn)
    if values is None:
        return ()
    is_list = isinstance(values, list)
    entries = [entry for entry in values if isinstance(entry, dict)] if is_list else []
    if not is_list or len(entries) < len(values):
        warn(f"{file.name}: is not a list of starts; other entries are omitted")
    return tuple(_parse(entry) for entry in entries)


def _parse(entry: dict[str, Any]) -> Start:
    command, packages = entry.get("command"), entry.get("packages")
    versions = {"python": entry.get("python"), **(packages if isinstance(packages, dict) else {})}
    return Start(
        time=_text(entry.get("time")),
        from_step=to_count(entry.get("from_step")) or 0,
        to_step=to_count(entry.get("to_step")),
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
    return "" if value is None else truncate(str(value))


def recipe_name(starts: Sequence[Start]) -> str:
    """The recipe of the first start; empty if it is unknown."""
    arguments = starts[0].words[1:] if starts else ()
    names = [word for word in arguments if "=" not in word and not word.startswith("-")]
    return Path(names[0]).stem if names else ""


def package_changes(starts: Sequence[Start]) -> list[str]:
    """Versions that changed between two starts, one line each."""
    changes = []
    for before, after in pairwise(starts):
        for name in sorted(before.packages.keys() | after.packages.keys()):
            old, new = (each.packages.get(name, "absent") for each in (before, after))
            if old != new:
                changes.append(f"{name} {old} became {new} at the start of {after.local_time}")
    return changes
