"""The table of mask generators, and what each of them offers."""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool
from pydantic import Field

from masking.deterministic import Center, Temporal
from masking.grid import Grid
from masking.running_cell import RunningCell
from masking.uniform import Frame, Random, Tube


@runtime_checkable
class MaskGenerator(Protocol):
    """A frozen pydantic dataclass that hides a fixed number of a clip's tokens.

    Both methods raise ValueError for a grid of which nothing would be hidden or nothing visible.
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
        """True where a token is hidden; a sample depends on its own generator alone."""
        ...

    def hidden_count(self, grid: Grid) -> int:
        """Tokens that `hidden` hides in every sample, exactly."""
        ...


GENERATORS: dict[str, type[MaskGenerator]] = {
    "tube": Tube,
    "random": Random,
    "frame": Frame,
    "running_cell": RunningCell,
    "temporal": Temporal,
    "center": Center,
}

if TYPE_CHECKING:
    AnyGenerator = MaskGenerator
else:  # pydantic reads its union from the table, so that a new generator is one line there
    AnyGenerator = Annotated[reduce(or_, GENERATORS.values()), Field(discriminator="kind")]
