"""A chain: stages, what each runs and takes from the others, in an order that can be run."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from launch.nearest import nearest
from launch.progressive.yaml_lines import ChainError, YamlFile


class Reference(NamedTuple):
    """What a stage takes from another one: a path in its folder, "" for the folder itself."""

    stage: str
    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.stage}/{self.path}".removesuffix("/")


class Stage(NamedTuple):
    """A program with all that it is given."""

    name: str
    line: int
    command: tuple[str, ...]  # what follows `python -m`
    written: tuple[str, ...]  # the same before folders stand in it: these may be moved
    recipe: Path | None  # the file; None: a stage with `arguments`, which does not resume
    takes: tuple[Reference, ...]
    processes: int | None
    sbatch: tuple[str, ...]


class Chain(NamedTuple):
    """Stages in the order in which they run."""

    path: Path
    folder: Path
    stages: tuple[Stage, ...]
    processes: int | None
    sbatch: tuple[str, ...]

    def stage(self, name: str) -> Stage:
        """Raises ChainError with the nearest name where there is none."""
        names = [stage.name for stage in self.stages]
        if name not in names:
            near = nearest(name, names) or f"; there are {', '.join(names)}"
            raise ChainError(f"{self.path}: no stage is called {name!r}{near}")
        return self.stages[names.index(name)]

    def folder_of(self, name: str) -> Path:
        return self.folder / name

    def log_of(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def wanted(self, name: str) -> list[Reference]:
        """What other stages take from this one, once each."""
        found = (taken for stage in self.stages for taken in stage.takes if taken.stage == name)
        return list({taken.path: taken for taken in found}.values())

    def following(self, name: str) -> list[Stage]:
        """The stages that take something from this one, or from one that does."""
        behind = {name}
        for stage in self.stages:  # in their order, so those before are known
            if any(taken.stage in behind for taken in stage.takes):
                behind.add(stage.name)
        return [stage for stage in self.stages if stage.name in behind - {name}]


def in_order(file: YamlFile, stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Each behind those that it takes from, else as they stand in the file."""
    waiting, ordered = list(stages), list[Stage]()
    while waiting:
        names = {stage.name for stage in waiting}
        ready = [s for s in waiting if not any(taken.stage in names for taken in s.takes)]
        if not ready:
            raise _circle(file, waiting)
        ordered.append(ready[0])
        waiting.remove(ready[0])
    return tuple(ordered)


def _circle(file: YamlFile, waiting: Sequence[Stage]) -> ChainError:
    """Follows the first stage until one comes back."""
    by_name = {stage.name: stage for stage in waiting}
    way = [waiting[0]]
    while way.count(way[-1]) == 1:
        way.append(next(by_name[t.stage] for t in way[-1].takes if t.stage in by_name))
    circle = way[way.index(way[-1]) :]
    said = ", which takes from ".join(stage.name for stage in circle)
    line = next(t.line for t in circle[0].takes if t.stage == circle[1].name)
    return file.error(line, f"{said}: stages cannot take from each other in a circle")
