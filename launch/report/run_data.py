"""All that a page shows of a run, read from its folder."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from launch.errors import ConfigError
from launch.report.curves import Curve, read_curves
from launch.report.data_summary import DataSummary, read_data
from launch.report.eval_results import EvalResult, read_results
from launch.report.images import EmbeddedImage, read_images
from launch.report.renamed import with_current_keys
from launch.report.start_history import Start, read_starts
from launch.report.status import RunKind, RunStatus, read_status, run_kind
from launch.report.tolerant_read import read_mapping, read_text

CONFIG_FILE, ENVIRONMENT_FILE, LOG_FILE = "config.yaml", "environment.json", "log.jsonl"
MAX_RUNS = 7  # as many as there are colours
CONTENTS = {
    CONFIG_FILE: "the configuration is unknown",
    ENVIRONMENT_FILE: "the starts are unknown",
    LOG_FILE: "there are no curves",
}


class RunData(NamedTuple):
    """The contents of a run folder."""

    name: str  # of the folder, with parent folders as needed to distinguish runs
    folder: Path
    kind: RunKind
    status: RunStatus
    config_text: str  # empty if there is none
    config: dict[str, Any]  # by current key path
    curves: dict[str, Curve]  # by current log name
    starts: tuple[Start, ...]
    data: DataSummary
    results: tuple[EvalResult, ...]
    images: tuple[EmbeddedImage, ...]
    problems: tuple[str, ...]  # missing and damaged files, one line each

    @property
    def resumed_at(self) -> tuple[int, ...]:
        """The steps at which the run was resumed."""
        return tuple(start.from_step for start in self.starts if start.from_step > 0)


def read_runs(folders: Sequence[Path]) -> tuple[RunData, ...]:
    """All runs of a page. Raises ConfigError if a folder is not a run, or if there are too many."""
    resolved = [folder.resolve() for folder in folders]
    for folder, path in zip(folders, resolved, strict=True):
        if resolved.count(path) > 1:
            raise ConfigError(f"report: {folder} is given twice; give each run once")
    if len(folders) > MAX_RUNS:
        raise ConfigError(
            f"report: {len(folders)} runs are too many for one page; give at most {MAX_RUNS}"
        )
    for folder in folders:
        _require_run(folder)
    names = short_names(resolved)
    return tuple(_read_run(*each) for each in zip(names, folders, strict=True))


def short_names(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of paths that are all different."""
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
        raise ConfigError(f"report: {folder} is not a folder; give the folder of a run")
    if any((folder / name).is_file() for name in CONTENTS):
        return
    inner = sorted(path.parent for path in folder.glob(f"*/{CONFIG_FILE}"))
    cure = "give the folder of run="
    if inner:
        cure = f"give the runs in it: {' '.join(map(str, inner[:MAX_RUNS]))}"
    raise ConfigError(f"report: {folder} is not a run, it has no {' or '.join(CONTENTS)}; {cure}")


def _read_run(name: str, folder: Path) -> RunData:
    problems: list[str] = []
    warn: Callable[[str], None] = problems.append
    config = with_current_keys(read_mapping(folder / CONFIG_FILE, warn))
    text = read_text(folder / CONFIG_FILE, lambda line: None)
    starts = read_starts(folder / ENVIRONMENT_FILE, warn)
    kind = run_kind(config, starts, folder)
    curves = read_curves(folder / LOG_FILE, warn)
    for file, consequence in CONTENTS.items():
        # a k-NN evaluation trains nothing and has no log
        if not (folder / file).is_file() and config.get("tuning.kind") not in ("neighbours", "knn"):
            problems.append(f"{file} is missing: {consequence}")
    if not curves and (folder / LOG_FILE).is_file():
        problems.append(f"{LOG_FILE} is still empty")
    return RunData(
        name,
        folder,
        kind,
        read_status(folder, kind, config, curves, starts),
        text or "",
        config,
        curves,
        starts,
        read_data(folder, warn),
        read_results(folder, warn),
        read_images(folder, warn),
        tuple(problems),
    )
