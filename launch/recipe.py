"""Recipes: a YAML file plus `key.path=value`, checked against a configuration class."""

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

Config = TypeVar("Config")


class ConfigError(ValueError):
    """A setting that cannot be used; the message names it, its value and the cure."""

    exit_status = 2
    on_every_process = True


def load_recipe(
    cls: type[Config], recipe: str, overrides: Sequence[str], folder: Path, **defaults: Any
) -> Config:
    """Reads a recipe, a path or a name in `folder`, and validates it with its overrides.

    `defaults` stand for top-level keys that the recipe does not name. Raises ConfigError.
    """
    path = find_recipe(recipe, folder)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML ({_one_line(error)})") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a recipe is a mapping of keys; this holds {values!r}")
    values = {**defaults, **values}
    for override in overrides:
        _apply(values, override)
    return validate(cls, values)


def find_recipe(recipe: str, folder: Path) -> Path:
    """The file of a recipe given as a path or as a name in `folder`."""
    shipped = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if recipe in shipped:
        return shipped[recipe]
    path = Path(recipe)
    if path.is_file():
        return path
    near = nearest(recipe, shipped)
    names = ", ".join(shipped)
    raise ConfigError(f"recipe {recipe!r}: no such file, nor one of {names}{near}")


def validate(cls: type[Config], values: dict[str, Any]) -> Config:
    """Builds the configuration, or raises ConfigError with a line for each wrong key."""
    try:
        return TypeAdapter(cls).validate_python(values)
    except ValidationError as error:
        known = list(key_paths(cls))
        lines = [_explain(details, known) for details in error.errors()]
        raise ConfigError("; ".join(dict.fromkeys(lines))) from None


def dump_recipe(config: Any) -> str:
    """The resolved configuration as YAML; reading it back gives the same configuration."""
    values = TypeAdapter(type(config)).dump_python(config, mode="json")
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def key_paths(cls: Any, prefix: str = "") -> Iterator[str]:
    """Every key path that a configuration class accepts, mappings before their keys."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        path = f"{prefix}{field.name}"
        yield path
        for part in _dataclasses_in(hints[field.name]):
            yield from key_paths(part, f"{path}.")


def _dataclasses_in(hint: Any) -> list[Any]:
    if dataclasses.is_dataclass(hint):
        return [hint]
    if typing.get_origin(hint) in (typing.Union, types.UnionType, typing.Annotated):
        return [part for argument in typing.get_args(hint) for part in _dataclasses_in(argument)]
    return []


def _apply(values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise ConfigError(f"{override!r}: an override is written key.path=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {text!r} is not YAML ({_one_line(error)})") from None
    *parents, last = path.split(".")
    for depth, parent in enumerate(parents, 1):
        inner = values.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{path}: {'.'.join(parents[:depth])} is {inner!r}, not a mapping")
        values[parent] = values = dict(inner)
    values[last] = value


def _explain(details: ErrorDetails, known: list[str]) -> str:
    path = _key_path(details["loc"], known)
    value, message = details["input"], details["msg"].removeprefix("Value error, ")
    if details["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        group = _key_path(details["loc"][:-1], known)  # another variant may have this key
        unknown = f"{group}.{details['loc'][-1]}".removeprefix(".")
        siblings = [key for key in known if key.rpartition(".")[0] == group]
        return f"{unknown}: no such key{nearest(unknown, siblings)}"
    if details["type"] == "missing":
        return f"{path}: is missing; give it in the recipe or as {path}=..."
    if isinstance(value, str | int | float | list | None):
        return f"{path}: {value!r} is refused; {message[0].lower()}{message[1:]}"
    return f"{path}: {message}".removeprefix(": ")


def _key_path(location: tuple[str | int, ...], known: list[str]) -> str:
    """The longest known key path of an error's location, which holds union tags as well."""
    path = ""
    for part in map(str, location):
        longer = f"{path}.{part}".removeprefix(".")
        path = longer if longer in known else path
    return path


def nearest(word: str, candidates: Iterable[str]) -> str:
    """`; did you mean ...?`, or nothing where no candidate is near."""
    close = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
