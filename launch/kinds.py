"""Choices of a recipe, `{kind: NAME, ...}`, whose classes are the rows of a table."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, TypeAdapter
from pydantic_core import PydanticCustomError, core_schema

from launch.errors import ConfigError
from launch.nearest import nearest


@dataclass(frozen=True)
class OneOf:
    """Validates a mapping with the class that its `kind` names in a table.

    The table is read when a value is validated, so a user's module may add rows to it. Each row is
    a frozen pydantic dataclass with a field `kind`. Without `kind`, the kind of `default` is taken;
    a mapping of that kind keeps the values of `default` for the keys that it does not name.
    """

    table: Mapping[str, type]
    default: Any = None

    def __hash__(self) -> int:
        return id(self.table)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.validate,
            serialization=core_schema.plain_serializer_function_ser_schema(_dump, info_arg=True),
        )

    def validate(self, value: Any) -> Any:
        """The configuration of a mapping; a configuration of the table stays as it is."""
        if isinstance(value, tuple(rows_of(self.table))):
            return value
        if not isinstance(value, Mapping):
            raise PydanticCustomError("mapping", "Input should be a mapping with a kind")
        standing = _values(self.default)
        kind = value.get("kind", standing.get("kind"))
        if not isinstance(kind, str) or kind not in self.table:
            names = ", ".join(self.table)
            raise PydanticCustomError(
                "unknown_kind",
                "{message}",
                {"message": f"kind {kind!r} is none of {names}{nearest(str(kind), self.table)}"},
            )
        if kind == standing.get("kind"):
            value = {**standing, **value}
        return TypeAdapter(self.table[kind]).validate_python(dict(value))


def rows_of(table: Mapping[str, type]) -> list[type]:
    """The configuration classes of a table. Raises ConfigError for a row that is none."""
    for name, row in table.items():
        if not (
            isinstance(row, type) and is_dataclass(row) and hasattr(row, "__pydantic_fields__")
        ):
            raise ConfigError(
                f"plugins: the row {name!r} is {row!r}; a row is a class with "
                "@pydantic.dataclasses.dataclass"
            )
    return list(table.values())


def _values(config: Any) -> dict[str, Any]:
    return (
        {} if config is None else {each.name: getattr(config, each.name) for each in fields(config)}
    )


def _dump(value: Any, info: Any) -> Any:  # info: pydantic's SerializationInfo
    return TypeAdapter(type(value)).dump_python(value, mode=info.mode)


def one_of(table: Mapping[str, type], default: Any = None) -> OneOf:
    """A field whose value is one of the configuration classes in `table`.

    `default`: the configuration that the field has where a recipe does not name it.
    """
    return OneOf(table, default)
