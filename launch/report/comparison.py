"""In what runs differ."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from launch.report.headline import Figure, figures_of
from launch.report.run_data import RunFacts

OWN = ("run",)  # keys that differ between any two runs
NOT_THERE = "-"


class ComparisonRow(NamedTuple):
    """A cell for each run."""

    name: str
    cells: tuple[Any, ...]


def differing_keys(runs: Sequence[RunFacts]) -> list[ComparisonRow]:
    """The configuration keys that are not the same in all runs that have a configuration."""
    keys = dict.fromkeys(key for run in runs for key in run.config)
    rows = []
    for key in keys:
        cells = tuple(_written(run, key) for run in runs)
        known = {cell for cell, run in zip(cells, runs, strict=True) if run.config}
        if key not in OWN and len(known) > 1:
            rows.append(ComparisonRow(key, cells))
    return rows


def _written(run: RunFacts, key: str) -> str:
    if key not in run.config:
        return NOT_THERE
    value = run.config[key]
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


def side_by_side(runs: Sequence[RunFacts]) -> list[ComparisonRow]:
    """The figures of all runs, a row a figure; those that a run has not are empty."""
    held = [{figure.name: figure for figure in figures_of(run)} for run in runs]
    names = dict.fromkeys(name for figures in held for name in figures)
    empty = Figure("", NOT_THERE)
    return [
        ComparisonRow(name, tuple(figures.get(name, empty) for figures in held)) for name in names
    ]


def pictures_by_name(runs: Sequence[RunFacts]) -> list[ComparisonRow]:
    """A row a picture; None where a run has not that one."""
    held = [{picture.name: picture for picture in run.pictures} for run in runs]
    names = dict.fromkeys(name for pictures in held for name in pictures)
    return [ComparisonRow(name, tuple(pictures.get(name) for pictures in held)) for name in names]
