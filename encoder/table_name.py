"""A choice that is the name of a row in a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema


@dataclass(frozen=True, eq=False)
class NameIn:
    """Validates the name of a row, as in `Annotated[str, NameIn(POS_EMBEDS)]`.

    The table is read when a value is validated, so rows of a plugin count.
    """

    table: Mapping[str, Any]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.validate, handler(source))

    def validate(self, name: str) -> str:
        """The name itself; raises ValueError where the table has no such row."""
        if name not in self.table:
            near = get_close_matches(name, self.table, n=1)
            raise ValueError(
                f"{name!r} is none of {', '.join(self.table)}"
                + (f"; nearest: {near[0]}" if near else "")
            )
        return name
