"""True and false are no numbers, though Python counts them as 1 and 0."""

import types
import typing
from collections.abc import Iterator
from typing import Any

from launch.errors import ConfigError
from launch.keys import Key, keys_of


def refuse_booleans(cls: Any, values: Any, prefix: str = "") -> None:
    """Raises ConfigError for the first key of a number whose value is true or false."""
    if not isinstance(values, dict):
        return
    for key in keys_of(cls, prefix):
        value = values.get(key.path.rpartition(".")[2])
        types_of_value = set(_types(key.hint))
        if bool not in types_of_value and types_of_value & {int, float}:
            given = value if isinstance(value, list) else [value]
            if any(isinstance(each, bool) for each in given):
                raise ConfigError(f"{key.path}: {value!r} is refused; give a number")
        for path, below in _sections(key, value):
            for part in _chosen(key, below):
                refuse_booleans(part, below, f"{path}.")


def _types(hint: Any) -> Iterator[Any]:
    """The types of a hint's values, and those of their elements."""
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        yield from _types(hint.__origin__)
    elif origin is typing.Literal:
        yield from map(type, typing.get_args(hint))
    elif origin in (typing.Union, types.UnionType, list, tuple):
        for argument in typing.get_args(hint):
            yield from _types(argument)
    else:
        yield hint


def _sections(key: Key, value: Any) -> Iterator[tuple[str, Any]]:
    """The mappings below a key that have keys of their own, by path."""
    if key.is_mapping and isinstance(value, dict):
        yield from ((f"{key.path}.{name}", below) for name, below in value.items())
    elif key.is_list and isinstance(value, list):
        yield from ((f"{key.path}[]", below) for below in value)
    else:
        yield key.path, value


def _chosen(key: Key, value: Any) -> list[type]:
    """The configuration class of a value: of several, that of its `kind`."""
    if len(key.parts) < 2:
        return key.parts
    kind = value.get("kind") if isinstance(value, dict) else None
    return [part for part in key.parts if _kind(part) == kind]


def _kind(part: Any) -> Any:
    field = part.__pydantic_fields__.get("kind")
    return field and field.default
