"""A row of the table of checks."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmarks.gpu.figure import Figure, Setting


class Check(NamedTuple):
    """A check, and the seconds that it may take beside what earlier ones have left over."""

    name: str
    asks: str
    seconds: int
    measure: Callable[[Setting], Iterator[Figure]]
    gpus: int = 1
    """It is skipped where there are fewer."""
