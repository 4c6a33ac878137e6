"""What a check looks at and what it finds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from launch.distributed.process_group import Processes
from launch.errors import ConfigError

Verdict = Literal["ok", "warning", "failed"]
Values = Mapping[str, float | int | str]
VERDICTS: tuple[Verdict, ...] = ("ok", "warning", "failed")  # the worst last


@dataclass(frozen=True)
class Place:
    """Where a check looks: a process and its host, and what a run would read and write."""

    processes: Processes
    host: str
    seconds: float  # a check that takes longer is ended
    source: Path | None = None
    run: Path | None = None
    marker: Path | None = None  # a file that rank 0 has written beside the run folder
    neighbour: str = ""  # an address of another host than that of rank 0, if it is known

    @property
    def has_other_hosts(self) -> bool:
        return self.processes.world_size > self.processes.local_world_size

    @property
    def on_gpu(self) -> bool:
        """Whether this process has a GPU, or should have one that does not work."""
        try:
            return self.processes.device.type == "cuda"
        except ConfigError:
            return True


@dataclass(frozen=True)
class Finding:
    """The answer of a check on one process."""

    verdict: Verdict
    figure: str
    cure: str = ""
    values: Values = field(default_factory=dict)
    """The numbers of the figure, for programs."""
    score: float | None = None
    """For a measured figure: of several processes, that with the lowest score is shown."""
    alike: str = ""
    """What must be the same on all processes."""


@dataclass(frozen=True)
class Check:
    """A row of the table of checks."""

    name: str
    look: Callable[[Place], Finding | None]
    """None: there is nothing to check here."""
    by: Literal["process", "host", "together"] = "process"
    """Who looks: every process, one process of each host, or all at the same time."""
    differing: Verdict = "warning"
    """The verdict where `alike` differs."""
    cure: str = ""
    """Where `alike` differs, or the check did not answer in time."""
    after: str = ""
    """The name of an earlier check; where that fails on any process, this one is not tried."""
    at_start: bool = False
    """Whether it takes milliseconds; a run does it too, at its start."""


def worst(verdicts: list[Verdict]) -> Verdict:
    """`ok` of none."""
    return max(verdicts, key=VERDICTS.index, default="ok")
