"""A run folder as all that a page says of it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from launch.errors import ConfigError
from launch.report.curves import Curve, read_curves
from launch.report.data_summary import Data, read_data
from launch.report.eval_results import Result, read_results
from launch.report.images import Picture, read_pictures
from launch.report.start_history import Start, read_starts
from launch.report.status import Kind, State, kind_of, read_state
from launch.report.tolerant_read import read_mapping, read_text

CONFIG_FILE, ENVIRONMENT_FILE, LOG_FILE = "config.yaml", "environment.json", "log.jsonl"
MOST_RUNS = 7  # that colours tell apart


class RunFacts(NamedTuple):
    """A run as its folder tells it."""

    name: str  # its folder's, with as many of the folders above as tell it from the others
    folder: Path
    kind: Kind
    state: State
    config_text: str  # empty where there is none
    config: dict[str, Any]  # by key path
    curves: dict[str, Curve]  # by name
    starts: tuple[Start, ...]
    data: Data
    results: tuple[Result, ...]
    pictures: tuple[Picture, ...]
    problems: tuple[str, ...]  # files that are missing or damaged, a line each

    @property
    def restarts(self) -> tuple[int, ...]:
        """The steps from which the run went on."""
        return tuple(start.from_step for start in self.starts if start.from_step > 0)


def collect_runs(folders: Sequence[Path]) -> tuple[RunFacts, ...]:
    """All runs of a page. Raises ConfigError where a folder is no run, or they are too many."""
    known = [folder.resolve() for folder in folders]
    for folder, whole in zip(folders, known, strict=True):
        if known.count(whole) > 1:
            raise ConfigError(f"report: {folder} is given twice; give each run once")
    if len(folders) > MOST_RUNS:
        raise ConfigError(
            f"report: {len(folders)} runs; colours tell {MOST_RUNS} apart, give no more than that"
        )
    for folder in folders:
        _require_run(folder)
    names = names_of(known)
    return tuple(_gather(*each) for each in zip(names, folders, strict=True))


def names_of(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of paths by which they differ."""
    names = []
    for folder in folders:
        parts = folder.parts[1:] or (str(folder),)
        for count in range(1, len(parts) + 1):
            ending = parts[-count:]
            if sum(other.parts[-count:] == ending for other in folders) == 1:
                break
        names.append("/".join(ending))
    return names


def _require_run(folder: Path) -> None:
    if not folder.is_dir():
        raise ConfigError(f"report: {folder} is no folder; give that of a run")
    marks = (CONFIG_FILE, ENVIRONMENT_FILE, LOG_FILE)
    if any((folder / name).is_file() for name in marks):
        return
    inner = sorted(path.parent for path in folder.glob(f"*/{CONFIG_FILE}"))
    cure = (
        f"give those in it: {' '.join(map(str, inner[:MOST_RUNS]))}"
        if inner
        else ("give the folder that run= named")
    )
    raise ConfigError(f"report: {folder} is no run, it has no {' or '.join(marks)}; {cure}")


def _gather(name: str, folder: Path) -> RunFacts:
    problems: list[str] = []
    tell: Callable[[str], None] = problems.append
    config = read_mapping(folder / CONFIG_FILE, tell)
    text = read_text(folder / CONFIG_FILE, lambda line: None)
    starts = read_starts(folder / ENVIRONMENT_FILE, tell)
    kind = kind_of(config, starts, folder)
    curves = read_curves(folder / LOG_FILE, tell)
    for file, what in (
        (CONFIG_FILE, "the configuration"),
        (ENVIRONMENT_FILE, "where and when it ran"),
        (LOG_FILE, "its curves"),
    ):
        if not (folder / file).is_file() and config.get("mode.kind") != "knn":
            problems.append(f"{file} is missing, and with it {what}")
    if not curves and (folder / LOG_FILE).is_file():
        problems.append(f"{LOG_FILE} has no figures yet")
    return RunFacts(
        name,
        folder,
        kind,
        read_state(folder, kind, config, curves, starts),
        text or "",
        config,
        curves,
        starts,
        read_data(folder, tell),
        read_results(folder, tell),
        read_pictures(folder, tell),
        tuple(problems),
    )
