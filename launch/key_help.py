"""Help on the keys of a recipe, from the descriptions in the configuration classes alone."""

import inspect
import re
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal

from launch.errors import ConfigError
from launch.former_keys import translate_path
from launch.keys import Key, all_keys, classes_in, keys_of, mapped_type
from launch.nearest import nearest

PLAIN: dict[Any, str] = {
    type(None): "null",
    str: "text",
    int: "integer",
    float: "number",
    bool: "true | false",
}
MAX_BOUND = 10**12  # a bound that only keeps arithmetic finite
INDEX = r"\[\d*\]"  # of an entry of a list
BOUNDS = {"gt": "above {}", "ge": "at least {}", "lt": "below {}", "le": "at most {}"}


def section_lines(cls: type) -> list[str]:
    """The top-level keys of a configuration class, a line each."""
    keys = keys_of(cls)
    width = max(len(key.path) for key in keys)
    return [f"  {key.path:{width}}  {summary(key)}" for key in keys]


def key_lines(cls: type, path: str) -> list[str]:
    """Type, default, range, choices and meaning of a key and of the keys below it.

    Raises ConfigError for an unknown key.
    """
    keys = list(all_keys(cls))
    present, _, renamed = translate_path(cls, path, None)
    chosen = [key for key in keys if _is_at_or_below(key.path, present)]
    if not chosen:
        near = nearest(path, [key.path for key in keys])
        raise ConfigError(f"--help {path}: no such key{near}")
    lines = [line for key in chosen for line in (*_description(key), "")][:-1]
    return [f"{path} is a former name of {present}", "", *lines] if renamed else lines


def _is_at_or_below(key: str, path: str) -> bool:
    """Whether a key is what a path names, or below. The path may name entries of mappings."""
    parts, wanted = key.split("."), path.split(".")
    pairs = list(zip(parts, wanted, strict=False))
    return len(parts) >= len(wanted) and all(
        part in ("NAME", name) or re.fullmatch(re.escape(part.removesuffix("[]")) + INDEX, name)
        for part, name in pairs
    )


def _description(key: Key) -> Iterator[str]:
    facts = [("type", type_text(key)), ("default", default_text(key))]
    if key.former_names:
        facts.append(("former name", ", ".join(key.former_names)))
    yield f"{key.path} (kind: {key.kind})" if key.kind else key.path
    yield f"  {summary(key)}"
    for name, text in facts:
        yield f"  {name}: {text}"
    if key.may_change:
        yield "  may change when a run resumes"


def summary(key: Key) -> str:
    """What a key means, in one line."""
    text = key.info.description
    if key.chooses_kind:
        text = (inspect.getdoc(key.owner) or "").partition("\n\n")[0]
    return " ".join((text or "").split())


def type_text(key: Key) -> str:
    """The type of a key with its range or choices."""
    bounds = []
    for mark in (*key.info.metadata, *_marks_of_optional(key.hint)):
        for name, words in BOUNDS.items():
            bound = getattr(mark, name, None)
            if bound is not None and bound < MAX_BOUND:
                bounds.append(words.format(bound if isinstance(bound, int) else f"{bound:g}"))
    return ", ".join((_name_of(key.hint), *dict.fromkeys(bounds)))


def _marks_of_optional(hint: Any) -> list[Any]:
    """The marks of X in `Annotated[X, ...] | None`."""
    while typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    members = typing.get_args(hint) if type(None) in typing.get_args(hint) else ()
    infos = [info for each in members for info in getattr(each, "__metadata__", ())]
    return [mark for info in infos for mark in getattr(info, "metadata", ())]


def _name_of(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if classes_in(hint) and type(None) not in arguments:
        return "mapping"
    if origin is typing.Annotated:
        named = [name for mark in arguments[1:] for name in getattr(mark, "choices", ())]
        return " | ".join(named) or _name_of(arguments[0])
    if classes_in(mapped_type(hint)):
        return "mapping from names to mappings"
    if origin in (typing.Union, types.UnionType):
        names = dict.fromkeys(_name_of(each) for each in arguments)
        return " or ".join(names)
    if origin is Literal:
        return " | ".join(
            str(each).lower() if isinstance(each, bool) else str(each) for each in arguments
        )
    if origin in (tuple, list):
        inner = dict.fromkeys(_name_of(each) for each in arguments if each is not Ellipsis)
        return f"list of {' or '.join(inner)}"
    if origin is dict:
        return f"mapping from names to {_name_of(arguments[1])}"
    return PLAIN.get(hint) or str(getattr(hint, "__name__", hint)).lower()


def default_text(key: Key) -> str:
    """The default of a key as it would stand in a recipe."""
    if key.info.is_required():
        return "none, must be given"
    value = key.default
    if value is None:
        return "null"
    if key.is_list:
        return f"[{', '.join(each.kind for each in value)}]"
    if key.parts:
        return getattr(value, "kind", None) or "its keys' defaults"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(str, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'
