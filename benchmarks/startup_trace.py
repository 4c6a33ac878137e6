"""`python -m benchmarks.startup_trace FILE ARGUMENTS`: traces the startup of a pretraining run.

Runs `python -m pretrain ARGUMENTS` and appends the end of each startup phase and the CPU time until
then to FILE. Imports no heavy library at the top, because it would count as the program's import.
"""

import functools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

# Owner, function, and the phases that end before and after a call of it.
PHASE_ENDS: list[tuple[str, str, str | None, str | None]] = [
    ("pretrain.run", "open_sources", "process group, folder", "recordings"),
    ("pretrain.run", "FeatureProbe", None, "clips for features"),
    ("launch.training.engine", "import_deepspeed", "model", "import of DeepSpeed"),
    ("pretrain.run", "build_engine", None, "engine"),
    ("pretrain.run", "open_batches", "log, description", "clips for images"),
    ("launch.metrics.step_meter:StepMeter", "end_step", None, "first step"),
]


class StartupTrace:
    """Appends the end of each phase: monotonic time and CPU time of this process."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def add(self, phase: str) -> None:
        with self._file.open("a") as stream:
            stream.write(json.dumps([phase, time.monotonic(), time.process_time()]) + "\n")

    def wrap(self, owner: Any, name: str, before: str | None, after: str | None) -> None:
        """Wraps a function: its call ends the phase `before`, its return ends the phase `after`."""
        function: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(function)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            if before:
                self.add(before)
            result = function(*arguments, **named)
            if after:
                self.add(after)
            return result

        setattr(owner, name, wrapper)

    def trace_run(self) -> None:
        """Imports `pretrain.run` and wraps the functions that end a phase."""
        self.add("interpreter and recipe")
        import pretrain.run  # noqa: F401
        from launch.distributed.watchdog import Watchdog

        self.add("imports of the program")
        for owner, name, before, after in PHASE_ENDS:
            self.wrap(resolve_name(owner), name, before, after)
        original = Watchdog.set_status

        def set_status(watchdog: Watchdog, status: str) -> float:
            if status == "step 1, computing":
                self.add("first batch")
            return original(watchdog, status)

        Watchdog.set_status = set_status  # type: ignore[assignment, method-assign]


def main() -> None:
    trace = StartupTrace(Path(sys.argv[1]))
    from launch.entrypoint import exit_process, run_program
    from pretrain import cli

    original = cli.parse_recipe_command

    def parse_and_trace(*arguments: Any) -> Any:
        config = original(*arguments)
        trace.trace_run()
        return config

    cli.parse_recipe_command = parse_and_trace  # type: ignore[assignment]
    exit_process(run_program("pretrain", lambda: cli.main(sys.argv[2:])))


if __name__ == "__main__":
    main()
