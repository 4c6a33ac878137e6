"""The registry of mask generators and their interface."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool
from pydantic import GetCoreSchemaHandler, TypeAdapter
from pydantic_core import core_schema

from masking.deterministic import Center, Temporal
from masking.grid import Grid
from masking.running_cell import RunningCell
from masking.uniform import Frame, Random, Tube


@runtime_checkable
class MaskGenerator(Protocol):
    """A frozen pydantic dataclass that hides a fixed number of a clip's tokens.

    Both methods raise ValueError if nothing of the grid would be hidden, or nothing visible.
    """

    @property
    def kind(self) -> str:
        """Its name in `GENERATORS` and in recipes."""
        ...

    @property
    def ratio(self) -> float:
        """Share of the tokens that is hidden, before rounding to whole units."""
        ...

    def hidden(self, grid: Grid, rngs: Sequence[np.random.Generator]) -> Bool[np.ndarray, "b n"]:
        """True where a token is hidden; a sample depends only on its own random generator."""
        ...

    def hidden_count(self, grid: Grid) -> int:
        """The exact number of tokens that `hidden` hides in every sample."""
        ...


GENERATORS: dict[str, type[MaskGenerator]] = {
    "tube": Tube,
    "random": Random,
    "frame": Frame,
    "running_cell": RunningCell,
    "temporal": Temporal,
    "center": Center,
}


class OneGenerator:
    """Validates `{kind: NAME, ...}` with a row of `table`, which is looked up at validation."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.table = table

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        dump = core_schema.plain_serializer_function_ser_schema(
            lambda value: TypeAdapter(type(value)).dump_python(value)
        )
        return core_schema.no_info_plain_validator_function(self.validate, serialization=dump)

    def validate(self, value: Any) -> Any:
        """Builds the generator of a mapping; returns a generator unchanged."""
        if isinstance(value, tuple(self.table.values())):
            return value
        kind = str(value.get("kind")) if isinstance(value, Mapping) else ""
        if kind not in self.table:
            raise ValueError(f"kind {kind!r} is none of {', '.join(self.table)}")
        return TypeAdapter(self.table[kind]).validate_python(dict(value))


AnyGenerator = Annotated[MaskGenerator, OneGenerator(GENERATORS)]
