"""What a check finds: figures, their limits, and the verdict."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch

Verdict = Literal["ok", "FAILED", "skipped", "told"]


class Limit(NamedTuple):
    """A threshold."""

    sense: Literal["<=", ">="]
    value: float

    def holds(self, value: float) -> bool:
        """False of a value that is not a number."""
        return value <= self.value if self.sense == "<=" else value >= self.value


@dataclass(frozen=True)
class Figure:
    """A measured value, or a text. One without a limit is told, not judged."""

    name: str
    value: float | str
    limit: Limit | None = None
    unit: str = ""
    means_nothing_on_cpu: bool = False
    """The value is measured on a CPU too, but the limit is one of GPUs."""

    def verdict(self, on_gpu: bool) -> Verdict:
        if self.limit is None or (self.means_nothing_on_cpu and not on_gpu):
            return "told"
        holds = not isinstance(self.value, str) and self.limit.holds(self.value)
        return "ok" if holds else "FAILED"


def holds(name: str, is_so: bool, means_nothing_on_cpu: bool = False) -> Figure:
    """A figure of yes or no, where no is a failure."""
    return Figure(name, float(is_so), at_least(1), "yes", means_nothing_on_cpu)


def at_most(value: float) -> Limit:
    return Limit("<=", value)


def at_least(value: float) -> Limit:
    return Limit(">=", value)


class Setting(NamedTuple):
    """What a check gets."""

    device: torch.device
    gpus: int  # of the machine; 0 in a dry run
    folder: Path  # empty, of this check alone
    shared: Path  # of all checks: recordings that more than one of them reads

    @property
    def is_dry(self) -> bool:
        """Whether models are tiny and on the CPU."""
        return self.device.type == "cpu"
