"""Places to look at, for tests of single checks."""

from pathlib import Path

from launch.distributed.process_group import Processes
from launch.doctor.check_result import Place

ALONE = Place(Processes(), "n1", 20.0)
# on the second of two hosts with two processes each
SECOND_HOST = Place(Processes(2, 4, 0, 2, "srun", "n1:20001"), "n2", 20.0)


def here(source: Path | None = None, run: Path | None = None) -> Place:
    return Place(Processes(), "n1", 60.0, source, run)
