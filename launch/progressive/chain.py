"""A chain: its stages in order, what each runs, and which files each takes from the others."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from launch.nearest import nearest
from launch.yaml_file import YamlFile


class ChainError(ValueError):
    """A chain that cannot be run; the message has the file and line if known, and the cure."""

    exit_status = 2
    on_every_process = True


class Reference(NamedTuple):
    """An input: a path in the folder of another stage; "" is the folder itself."""

    stage: str
    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.stage}/{self.path}".removesuffix("/")


class Stage(NamedTuple):
    """A program with its arguments."""

    name: str
    line: int
    command: tuple[str, ...]  # what follows `python -m`
    template: tuple[str, ...]  # the same with ${stage}, so that a chain's folder may be moved
    recipe: Path | None  # None: a stage with `arguments`, which cannot resume
    inputs: tuple[Reference, ...]
    processes: int | None
    sbatch: tuple[str, ...]

    @property
    def predecessors(self) -> list[str]:
        """The stages whose files it reads, once each."""
        return list(dict.fromkeys(each.stage for each in self.inputs))


class Chain(NamedTuple):
    """Stages in the order of execution."""

    path: Path
    folder: Path
    stages: tuple[Stage, ...]
    processes: int | None
    sbatch: tuple[str, ...]

    def stage(self, name: str) -> Stage:
        """Raises ChainError with the nearest name if there is no such stage."""
        names = [stage.name for stage in self.stages]
        if name not in names:
            choice = nearest(name, names) or f"; there are {', '.join(names)}"
            raise ChainError(f"{self.path}: no stage is called {name!r}{choice}")
        return self.stages[names.index(name)]

    def folder_of(self, name: str) -> Path:
        return self.folder / name

    def log_of(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def outputs_of(self, name: str) -> list[Reference]:
        """What other stages read of this one, once each."""
        found = (each for stage in self.stages for each in stage.inputs if each.stage == name)
        return list({each.path: each for each in found}.values())

    def dependents(self, name: str) -> list[Stage]:
        """The stages that depend on this one, directly or not."""
        found = {name}
        for stage in self.stages:  # predecessors come first
            if found.intersection(stage.predecessors):
                found.add(stage.name)
        return [stage for stage in self.stages if stage.name in found - {name}]


def sort_by_dependency(file: YamlFile, stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Predecessors first, else in the order of the file. Raises ChainError for a cycle."""
    waiting, ordered = list(stages), list[Stage]()
    while waiting:
        names = {stage.name for stage in waiting}
        ready = [stage for stage in waiting if not names.intersection(stage.predecessors)]
        if not ready:
            raise _cycle_error(file, waiting)
        ordered.append(ready[0])
        waiting.remove(ready[0])
    return tuple(ordered)


def _cycle_error(file: YamlFile, waiting: Sequence[Stage]) -> ValueError:
    """Follows predecessors from the first stage until one repeats."""
    by_name = {stage.name: stage for stage in waiting}
    path = [waiting[0]]
    while path.count(path[-1]) == 1:
        path.append(next(by_name[name] for name in path[-1].predecessors if name in by_name))
    cycle = path[path.index(path[-1]) :]
    line = next(each.line for each in cycle[0].inputs if each.stage == cycle[1].name)
    names = " -> ".join(stage.name for stage in cycle)
    return file.error(line, f"stages refer to each other in a cycle, {names}; remove a reference")
