"""The keys of a configuration class: their paths, fields, former names and help texts."""

import dataclasses
import types
import typing
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from launch.config import FormerValues, MayChange
from launch.kinds import rows_of


class Key(NamedTuple):
    """A key of a recipe. Below a mapping from names, its path has `NAME`."""

    path: str
    hint: Any  # its type
    info: FieldInfo  # default, constraints, help text
    owner: type  # the configuration class that has it
    kind: str = ""  # of the owner, where it is one of several that its mapping may be
    in_free_section: bool = False  # whether a section around it may change when a run resumes
    section_default: Any = None  # the default value of the section around it

    @property
    def may_change(self) -> bool:
        """Whether it may differ when a run resumes."""
        marked = any(isinstance(each, MayChange) for each in self.info.metadata)
        return marked or self.in_free_section

    @property
    def default(self) -> Any:
        """Its default value, which its section may set; pydantic's undefined if it has none."""
        if isinstance(self.section_default, self.owner):
            return getattr(self.section_default, self.path.rpartition(".")[2])
        return self.info.get_default(call_default_factory=True)

    @property
    def chooses_kind(self) -> bool:
        """Whether it is the `kind` that chooses its owner among several."""
        return bool(self.kind) and self.path.endswith(".kind") and self.info.default == self.kind

    @property
    def former_names(self) -> tuple[str, ...]:
        """Names that it had before."""
        alias = self.info.validation_alias
        return tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else ()

    @property
    def former_values(self) -> dict[str, Any]:
        """Values that had other names before."""
        marks = [each for each in self.info.metadata if isinstance(each, FormerValues)]
        return marks[0].names if marks else {}

    @property
    def parts(self) -> list[type]:
        """The configuration classes of its value, or of each value of its mapping or list."""
        inner = (mapped_type(self.hint), listed_type(self.hint))
        return [part for hint in (self.hint, *inner) for part in classes_in(hint)]

    @property
    def is_list(self) -> bool:
        """Whether its value is a list of parts."""
        return bool(classes_in(listed_type(self.hint)))

    @property
    def is_mapping(self) -> bool:
        """Whether its value maps names to parts."""
        return bool(classes_in(mapped_type(self.hint)))


def keys_of(
    cls: Any, prefix: str = "", kind: str = "", is_free: bool = False, default: Any = None
) -> list[Key]:
    """The keys of one configuration class, without those of its parts."""
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = cls.__pydantic_fields__
    return [
        Key(
            f"{prefix}{field.name}",
            hints[field.name],
            fields[field.name],
            cls,
            kind,
            is_free,
            default,
        )
        for field in dataclasses.fields(cls)
    ]


def all_keys(
    cls: Any, prefix: str = "", kind: str = "", is_free: bool = False, default: Any = None
) -> Iterator[Key]:
    """Every key that a configuration class accepts, mappings before their keys."""
    for key in keys_of(cls, prefix, kind, is_free, default):
        yield key
        below = f"{key.path}{'.NAME' if key.is_mapping else '[]' if key.is_list else ''}."
        for part in key.parts:
            inner = kind_of(part) if len(key.parts) > 1 else kind
            yield from all_keys(part, below, inner, key.may_change, key.default)


def key_paths(cls: Any) -> list[str]:
    """The paths of all keys, each once."""
    return list(dict.fromkeys(key.path for key in all_keys(cls)))


def kind_of(cls: Any) -> str:
    """The value of `kind` that chooses a class of a union."""
    return str(cls.__pydantic_fields__["kind"].default)


def classes_in(hint: Any) -> list[type]:
    """The configuration classes of a type: of all members of a union, of all rows of a table."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return [hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        tables = [mark.table for mark in hint.__metadata__ if hasattr(mark, "table")]
        rows = [row for table in tables for row in rows_of(table)]
        return rows or classes_in(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return [part for argument in arguments for part in classes_in(argument)]
    return []


def mapped_type(hint: Any) -> Any:
    """The type of the values of `dict[str, X]`, or None."""
    if typing.get_origin(hint) is typing.Annotated:
        return mapped_type(typing.get_args(hint)[0])
    return typing.get_args(hint)[1] if typing.get_origin(hint) is dict else None


def listed_type(hint: Any) -> Any:
    """The type of the members of a tuple or list of any length, or None."""
    if typing.get_origin(hint) is typing.Annotated:
        return listed_type(typing.get_args(hint)[0])
    arguments = typing.get_args(hint)
    is_list = typing.get_origin(hint) is list or arguments[1:] == (Ellipsis,)
    return arguments[0] if is_list else None
