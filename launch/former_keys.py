"""Recipes and run folders with former names of keys and values."""

from typing import Any, NamedTuple

from launch.errors import ConfigError
from launch.keys import Key, keys_of


class Translation(NamedTuple):
    """A mapping with the present names, and what was renamed in it."""

    values: dict[str, Any]
    renamed: list[str]  # such as "batch.clips -> batch.global_batch_size"


def translate(cls: type, values: dict[str, Any], prefix: str = "") -> Translation:
    """Gives the keys and values of a configuration class their present names.

    Unknown keys stay as they are. Raises ConfigError where a key has both names.
    """
    keys = {key.path.removeprefix(prefix): key for key in keys_of(cls, prefix)}
    present = {former: name for name, key in keys.items() for former in key.former_names}
    translated, renamed = dict[str, Any](), list[str]()
    for given, value in values.items():
        name = present.get(given, given)
        if name != given:
            if name in values:
                raise ConfigError(
                    f"{prefix}{given}: {_text(value)} is given by a former name of "
                    f"{prefix}{name}, which is {_text(values[name])}; remove {prefix}{given}"
                )
            renamed.append(f"{prefix}{given} -> {prefix}{name}")
        if name in keys:
            value = _translate_value(keys[name], value, renamed)
        translated[name] = value
    return Translation(translated, renamed)


def translate_path(cls: type, path: str, value: Any) -> tuple[str, Any, list[str]]:
    """The present name of a key path, its value likewise, and what was renamed."""
    parts = path.split(".")
    nested = value
    for part in reversed(parts):
        nested = {part: nested}
    translated, renamed = translate(cls, nested)
    names, inner = list[str](), translated
    for _ in parts:
        ((name, inner),) = inner.items()
        names.append(name)
    return ".".join(names), inner, renamed


def _translate_value(key: Key, value: Any, renamed: list[str]) -> Any:
    if isinstance(value, str) and value in key.former_values:
        present = key.former_values[value]
        renamed.append(f"{key.path}={value} -> {_text(present)}")
        return present
    if not isinstance(value, dict):
        return value
    for part in key.parts:
        if key.is_mapping:
            for name, inner in value.items():
                if isinstance(inner, dict):
                    translation = translate(part, inner, f"{key.path}.{name}.")
                    value = {**value, name: translation.values}
                    renamed += translation.renamed
        else:
            value, more = translate(part, value, f"{key.path}.")
            renamed += more
    return value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
