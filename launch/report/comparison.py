"""Several runs compared: configuration, key values and images."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from launch.report.headline import KeyValue, key_values
from launch.report.run_data import RunData

IGNORED_KEYS = ("run",)  # different in any two runs
MISSING = "-"


class ComparisonRow(NamedTuple):
    """One cell per run."""

    name: str
    cells: tuple[Any, ...]


def different_settings(runs: Sequence[RunData]) -> list[ComparisonRow]:
    """The configuration keys whose values differ between runs that have a configuration."""
    keys = dict.fromkeys(key for run in runs for key in run.config)
    rows = []
    for key in keys:
        cells = tuple(_format_setting(run, key) for run in runs)
        known = {cell for cell, run in zip(cells, runs, strict=True) if run.config}
        if key not in IGNORED_KEYS and len(known) > 1:
            rows.append(ComparisonRow(key, cells))
    return rows


def _format_setting(run: RunData, key: str) -> str:
    if key not in run.config:
        return MISSING
    value = run.config[key]
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


def compare_key_values(runs: Sequence[RunData]) -> list[ComparisonRow]:
    """One row per name; a cell is empty if the run does not have this value."""
    by_name = [{value.name: value for value in key_values(run)} for run in runs]
    names = dict.fromkeys(name for values in by_name for name in values)
    empty = KeyValue("", MISSING)
    return [
        ComparisonRow(name, tuple(values.get(name, empty) for values in by_name)) for name in names
    ]


def images_by_name(runs: Sequence[RunData]) -> list[ComparisonRow]:
    """One row per image; a cell is None if the run does not have it."""
    by_name = [{image.name: image for image in run.images} for run in runs]
    names = dict.fromkeys(name for images in by_name for name in images)
    return [ComparisonRow(name, tuple(images.get(name) for images in by_name)) for name in names]
