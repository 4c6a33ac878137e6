"""`python -m benchmarks.startup_trace FILE ARGUMENTS` runs `python -m pretrain ARGUMENTS` and
appends to FILE, for each phase of the start, when it ends and the CPU time until then.

Imports nothing heavy, because that would be counted as part of the program.
"""

import functools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class PhaseTrace:
    """Records when phases end, in wall-clock time and in CPU time of this process."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def add(self, phase: str) -> None:
        with self._file.open("a") as opened:
            opened.write(json.dumps([phase, time.monotonic(), time.process_time()]) + "\n")

    def around(self, owner: Any, name: str, before: str | None, after: str | None) -> None:
        """Patches a function: its call ends phase `before`, its return ends phase `after`."""
        function: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(function)
        def traced(*arguments: Any, **named: Any) -> Any:
            if before:
                self.add(before)
            outcome = function(*arguments, **named)
            if after:
                self.add(after)
            return outcome

        setattr(owner, name, traced)

    def trace_imports(self) -> None:
        """Imports `pretrain.run` and records its phases."""
        self.add("interpreter and recipe")
        import launch.training.engine
        import pretrain.run as run
        from launch.distributed.watchdog import Watchdog
        from launch.metrics.step_meter import StepMeter

        self.add("imports of the program")
        self.around(run, "open_sources", "process group, folder", "recordings")
        self.around(launch.training.engine, "import_deepspeed", "model", "import of DeepSpeed")
        self.around(run, "build_engine", None, "engine")
        self.around(run, "open_batches", "log, description", "clips of images")
        self.around(run, "FeatureProbe", None, "choice of the probe's clips")
        self.around(StepMeter, "end_step", None, "first step")
        set_status = Watchdog.set_status

        def traced_status(watchdog: Watchdog, status: str) -> float:
            if status == "step 1, computing":
                self.add("first batch")
            return set_status(watchdog, status)

        Watchdog.set_status = traced_status  # type: ignore[assignment, method-assign]


def main() -> None:
    trace = PhaseTrace(Path(sys.argv[1]))
    from launch.entrypoint import exit_process, run_program
    from pretrain import cli

    parse = cli.parse_recipe_command

    def parse_then_trace(*arguments: Any) -> Any:
        config = parse(*arguments)
        trace.trace_imports()
        return config

    cli.parse_recipe_command = parse_then_trace  # type: ignore[assignment]
    exit_process(run_program("pretrain", lambda: cli.main(sys.argv[2:])))


if __name__ == "__main__":
    main()
