"""Recipes: a YAML file plus `key.path=value`, checked against a configuration class."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from launch.errors import ConfigError
from launch.former_keys import translate, translate_path
from launch.keys import key_paths
from launch.nearest import nearest
from launch.plugins import import_plugins, imported_plugins, require_plugins
from launch.strict_numbers import refuse_booleans
from launch.yaml_file import parse_yaml, read_yaml, shorten
from launch.yaml_text import dump_yaml

Config = TypeVar("Config")
MAX_ERRORS = 10  # of wrong keys that are told at once


def load_recipe(
    cls: type[Config],
    recipe: str,
    overrides: Sequence[str],
    folder: Path,
    warn: Callable[[str], None] | None = None,
    **defaults: Any,
) -> Config:
    """Reads a recipe, a path or a name in `folder`, and validates it with its overrides.

    `defaults` stand for top-level keys that the recipe does not name. `warn` is given one line on
    former names of keys; None prints it, once for a run. Raises ConfigError.
    """
    values = {**defaults, **_read(find_recipe(recipe, folder))}
    given = [_parse_override(override) for override in overrides]
    import_plugins(_plugins(dict(given).get("plugins", values.get("plugins"))))
    values, renamed = translate(cls, values)
    translated = [translate_path(cls, path, value) for path, value in given]
    _refuse_both_names(overrides, [path for path, _ in given], [name for name, *_ in translated])
    for name, value, names in translated:
        _apply(values, name, value)
        renamed += names
    if "plugins" in getattr(cls, "__dataclass_fields__", ()) and isinstance(
        values.get("plugins", []), list
    ):
        values["plugins"] = list(imported_plugins())  # those of the option --plugins as well
    if renamed:
        (warn or _print_warning)(
            f"warning: renamed keys: {', '.join(dict.fromkeys(renamed))}; the old names still work"
        )
    return validate(cls, values)


def _read(path: Path) -> dict[str, Any]:
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a recipe is a mapping of keys; this holds {_cut(values)}")
    return values


def _refuse_both_names(
    overrides: Sequence[str], paths: Sequence[str], names: Sequence[str]
) -> None:
    """Raises ConfigError where overrides give a key by its present and its former name.

    `paths` are those of the overrides as they are written, `names` the present ones.
    """
    written = dict(zip(paths, overrides, strict=True))
    for path, name in zip(paths, names, strict=True):
        if path != name and name in written:
            raise ConfigError(
                f"{path}: {_cut(written[path])} and {_cut(written[name])} are one key by its "
                f"former and its present name; remove {_cut(written[path])}"
            )


def _plugins(value: Any) -> list[str]:
    """The names of plugins in a recipe; a value that is no list is refused when it is validated."""
    return [str(name) for name in value] if isinstance(value, list) else []


def _print_warning(line: str) -> None:
    if (os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or "0") == "0":
        sys.stderr.write(f"{line}\n")


def find_recipe(recipe: str, folder: Path) -> Path:
    """The file of a recipe given as a path or as a name in `folder`."""
    shipped = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if recipe in shipped:
        return shipped[recipe]
    path = Path(recipe)
    with suppress(OSError):  # a name that is too long
        if path.is_file():
            return path
        if path.exists():
            found = "a folder" if path.is_dir() else "not a regular file"
            raise ConfigError(f"recipe {_cut(recipe)}: is {found}; give a YAML file, or a name")
    near = nearest(recipe, shipped)
    names = ", ".join(shipped)
    raise ConfigError(f"recipe {_cut(recipe)}: no such file, nor one of {names}{near}")


def validate(cls: type[Config], values: dict[str, Any]) -> Config:
    """Builds the configuration, or raises ConfigError with a line for each wrong key."""
    refuse_booleans(cls, values)
    try:
        return TypeAdapter(cls).validate_python(values)
    except ValidationError as error:
        known = key_paths(cls)
        errors = error.errors()
        lines = [_explain(details, known) for details in errors[:MAX_ERRORS]]
        if len(errors) > MAX_ERRORS:
            lines.append(f"and {len(errors) - MAX_ERRORS} more")
        raise ConfigError("; ".join(dict.fromkeys(lines))) from None


def dump_recipe(config: Any) -> str:
    """The resolved configuration as YAML; reading it back gives the same configuration."""
    values = TypeAdapter(type(config)).dump_python(config, mode="json")
    return dump_yaml(values)


def read_resolved(cls: type[Config], file: Path) -> Config:
    """The configuration that a run wrote, of this or an earlier version. Raises ConfigError."""
    values = _read(file)
    require_plugins(_plugins(values.get("plugins")), str(file))
    return validate(cls, translate(cls, values).values)


def _parse_override(override: str) -> tuple[str, Any]:
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise ConfigError(f"{override!r}: an override is written key.path=value")
    try:
        return path, parse_yaml(text, path)
    except ConfigError as error:
        if "is not YAML" not in str(error):
            raise
        raise ConfigError(f"{error}; write text in quotation marks: {path}='\"TEXT\"'") from None


def _apply(values: dict[str, Any], path: str, value: Any) -> None:
    """Sets a key."""
    *parents, last = path.split(".")
    for depth, parent in enumerate(parents, 1):
        inner = values.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise ConfigError(
                f"{path}: {'.'.join(parents[:depth])} is {_cut(inner)}, not a mapping"
            )
        values[parent] = values = dict(inner)
    values[last] = value


def _explain(details: ErrorDetails, known: list[str]) -> str:
    path, section = _locate(details["loc"], known)
    value, message = details["input"], details["msg"].removeprefix("Value error, ")
    if details["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        group, pattern = _locate(details["loc"][:-1], known)  # another kind may have this key
        unknown = f"{group}.{details['loc'][-1]}".removeprefix(".")
        siblings = [f"{group}.{name}".removeprefix(".") for name in _names_in(pattern, known)]
        if unknown in siblings:
            return f"{unknown}: is a key of another kind; remove it, or change {group}.kind"
        return f"{unknown}: no such key{nearest(unknown, siblings)}"
    if details["type"] == "missing" and isinstance(details["loc"][-1], int):
        return f"{path}: needs more values than {list(value)!r}"
    if details["type"] == "missing":
        return f"{path}: is missing; give it in the recipe or as {path}=..."
    if details["type"] in ("tuple_type", "list_type"):
        return f"{path}: needs a list, such as [a, b]; it is {_cut(value)}"
    if isinstance(value, str | int | float | list | None):
        return f"{path}: {_cut(value)} is refused; {message[0].lower()}{message[1:]}"
    for name in _names_in(section, known) if path else ():  # as it is written in a command
        message = re.sub(rf"(?<![\w.]){name}=(?=\S)", f"{path}.{name}=", message)
    return f"{path}: {message}".removeprefix(": ")


def _names_in(section: str, known: list[str]) -> list[str]:
    """The names of the keys directly in a section."""
    return [key.rpartition(".")[2] for key in known if key.rpartition(".")[0] == section]


def _cut(value: Any) -> str:
    return shorten(repr(value), 200)


def _locate(location: tuple[str | int, ...], known: list[str]) -> tuple[str, str]:
    """The longest known key path of an error's location, which holds union tags as well.

    As it stands in the recipe, and with NAME where a mapping's names are free.
    """
    path = pattern = ""
    for part in map(str, location):
        for name in (f".{part}", ".NAME", "[]"):
            longer = f"{pattern}{name}".removeprefix(".")
            if any(key == longer or key.startswith((f"{longer}.", f"{longer}[")) for key in known):
                path, pattern = f"{path}.{part}".removeprefix("."), longer
                break
    return path, pattern
