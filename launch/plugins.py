"""Modules of a user that add rows to the tables: masks, targets, heads, losses, readers, ..."""

import hashlib
import importlib
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from launch.errors import ConfigError

VARIABLE = "SURGMASK_PLUGINS"  # names of the modules, for processes that this one starts
OPTION = "--plugins"


def import_plugins(names: Iterable[str]) -> None:
    """Imports modules by name, each once; they add their rows when they are imported.

    Raises ConfigError where a module cannot be imported.
    """
    for name in names:
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise ConfigError(
                f"plugins: {name} cannot be imported ({reason}); run the command in the module's "
                "folder, or put that folder on PYTHONPATH"
            ) from None
        if name not in imported_plugins():
            os.environ[VARIABLE] = ",".join((*imported_plugins(), name))


def imported_plugins() -> tuple[str, ...]:
    """Names of the modules that were imported as plugins, here or by the parent process."""
    return tuple(name for name in os.environ.get(VARIABLE, "").split(",") if name)


class MissingPlugins(ConfigError):
    """A file needs plugins that were not given."""


def require_plugins(names: Sequence[str], source: str) -> None:
    """Raises MissingPlugins where a run needs plugins that were not given.

    They are not imported on the word of a file, for that would execute what the file names.
    """
    missing = [name for name in names if name not in imported_plugins()]
    if missing:
        raise MissingPlugins(
            f"{source}: needs the plugins {', '.join(missing)}; give {OPTION} {','.join(missing)}"
        )


def take_plugins(arguments: Sequence[str]) -> list[str]:
    """Imports what `--plugins A,B` names, and the parent process's; returns the other words."""
    import_plugins(imported_plugins())
    words, rest = iter(arguments), list[str]()
    for word in words:
        if word == OPTION or word.startswith(f"{OPTION}="):
            given = word.partition("=")[2] or next(words, "")
            if not given:
                raise ConfigError(f"{OPTION}: give names of modules, such as {OPTION} my_module")
            import_plugins(given.split(","))
        else:
            rest.append(word)
    return rest


def plugin_digests() -> dict[str, str]:
    """The sha256 of each plugin's source: of its file, or of all .py files of a package."""
    return {name: _digest(name) for name in imported_plugins()}


def _digest(name: str) -> str:
    file = getattr(sys.modules[name], "__file__", None)
    if file is None:
        return ""
    path = Path(file)
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    found = hashlib.sha256()
    for each in files:
        found.update(each.read_bytes())
    return found.hexdigest()
