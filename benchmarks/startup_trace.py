"""`python -m benchmarks.startup_trace FILE ARGUMENTS`: `python -m pretrain ARGUMENTS`, with
the time at which each phase of its start ends, and the CPU time until then, appended to FILE.

Imports nothing heavy, for that would be counted as the program's.
"""

import functools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Stamps:
    """Writes down when a phase ends, by the system's clock and by this process's CPU time."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def add(self, phase: str) -> None:
        with self._file.open("a") as opened:
            opened.write(json.dumps([phase, time.monotonic(), time.process_time()]) + "\n")

    def around(self, owner: Any, name: str, before: str | None, after: str | None) -> None:
        """Makes calls of a function say that a phase ends when they begin, and when they end."""
        function: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(function)
        def stamped(*arguments: Any, **named: Any) -> Any:
            if before:
                self.add(before)
            outcome = function(*arguments, **named)
            if after:
                self.add(after)
            return outcome

        setattr(owner, name, stamped)

    def watch_imports(self) -> None:
        """Names the phases of `pretrain.run`, which is imported here."""
        self.add("interpreter and recipe")
        import launch.training.engine
        import pretrain.run as run
        from launch.distributed.watchdog import Watchdog
        from launch.metrics.step_meter import StepMeter

        self.add("imports of the program")
        self.around(run, "open_sources", "process group, folder", "recordings")
        self.around(launch.training.engine, "_import_deepspeed", "model", "import of DeepSpeed")
        self.around(run, "build_engine", None, "engine")
        self.around(run, "open_batches", "log, description", "pictures' clips")
        self.around(run, "Watch", None, "choice of the features' clips")
        self.around(StepMeter, "end_step", None, "first step")
        at = Watchdog.set_status

        def where(monitor: Watchdog, place: str) -> float:
            if place == "step 1, computing":
                self.add("first batch")
            return at(monitor, place)

        Watchdog.set_status = where  # type: ignore[assignment, method-assign]


def main() -> None:
    stamps = Stamps(Path(sys.argv[1]))
    from launch.entrypoint import exit_process, run_program
    from pretrain import cli

    asked = cli.parse_recipe_command

    def then_imports(*arguments: Any) -> Any:
        config = asked(*arguments)
        stamps.watch_imports()
        return config

    cli.parse_recipe_command = then_imports  # type: ignore[assignment]
    exit_process(run_program("pretrain", lambda: cli.main(sys.argv[2:])))


if __name__ == "__main__":
    main()
