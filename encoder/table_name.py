"""A choice that is the name of a row in a table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema


@dataclass(frozen=True, eq=False)
class NameIn:
    """Validates the name of a row, as in `Annotated[str, NameIn(POS_EMBEDS)]`.

    The table is read when a value is validated, so rows of a plugin count. `where` selects rows.
    """

    rows: Mapping[str, Any]
    where: Callable[[Any], bool] = lambda row: True

    @property
    def choices(self) -> list[str]:
        """The valid names, for help texts."""
        return [name for name, row in self.rows.items() if self.where(row)]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.validate, handler(source))

    def validate(self, name: str) -> str:
        """The name itself; raises ValueError where the table has no such row."""
        if name not in self.choices:
            near = get_close_matches(name, self.choices, n=1)
            raise ValueError(
                f"{name!r} is none of {', '.join(self.choices)}"
                + (f"; nearest: {near[0]}" if near else "")
            )
        return name
