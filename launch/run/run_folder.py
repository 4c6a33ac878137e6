"""The folder of a run: its configuration, and whether it may resume."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from launch.atomic_io import write_atomic
from launch.checkpoint.store import CHECKPOINTS_FOLDER, complete_checkpoints, remove_unfinished
from launch.errors import ConfigError
from launch.keys import all_keys
from launch.plugins import MissingPlugins
from launch.recipe import dump_recipe, read_resolved

CONFIG_FILE = "config.yaml"


def open_run_folder(folder: Path, config: Any, resume: bool) -> list[str]:
    """Makes a locked folder ready, which must be new or of the same run.

    A new run's configuration is written; that of a resumed run when it is known to start, by
    `record_start`. Returns the keys that differ when a run resumes, each with both values. Raises
    ConfigError if the folder has another run.
    """
    checkpoints = folder / CHECKPOINTS_FOLDER
    checkpoints.mkdir(exist_ok=True)
    remove_unfinished(checkpoints)
    changed = require_resumable(folder, config, resume)
    if not complete_checkpoints(checkpoints):
        write_config(folder, config)
    return changed


def write_config(folder: Path, config: Any) -> None:
    """Writes the resolved configuration, itself a recipe."""
    write_atomic(folder / CONFIG_FILE, dump_recipe(config))


def require_resumable(folder: Path, config: Any, resume: bool) -> list[str]:
    """What `open_run_folder` returns and raises; writes nothing."""
    if not complete_checkpoints(folder / CHECKPOINTS_FOLDER):
        return []
    if not resume:
        raise ConfigError(
            f"run: {folder} already holds a run; give another run=FOLDER, "
            "or checkpoint.resume=auto to resume it"
        )
    return _require_same_run(folder / CONFIG_FILE, config)


def _require_same_run(file: Path, config: Any) -> list[str]:
    try:
        before = _flat(read_resolved(type(config), file))
    except MissingPlugins:
        raise
    except (OSError, ConfigError) as error:
        raise ConfigError(
            f"{file}: cannot be read ({error}); restore it, or give another run=FOLDER"
        ) from None
    now = _flat(config)
    changed = {
        key: f"{key} was {before.get(key)!r}, is {now.get(key)!r}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    }
    free = _free_keys(type(config))
    refused = [change for key, change in changed.items() if not free.fullmatch(key)]
    if refused:
        raise ConfigError(
            f"run: {file.parent} holds a run of another configuration ({'; '.join(refused)}); "
            "restore these values, or give another run=FOLDER"
        )
    return list(changed.values())


def _free_keys(cls: Any) -> re.Pattern[str]:
    """Matches the keys that may change when a run resumes, and all keys below them."""
    paths = (re.escape(key.path) for key in all_keys(cls) if key.may_change)
    return re.compile(rf"({'|'.join(paths)})(\..*)?".replace("NAME", ".+"))


def _flat(config: Any) -> dict[str, Any]:
    """The values of a configuration by key path."""
    return dict(_leaves(TypeAdapter(type(config)).dump_python(config, mode="json")))


def _leaves(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value
