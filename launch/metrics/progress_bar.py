"""The progress of a run: a moving line on a terminal, plain lines in a file."""

import sys
import time
from contextlib import suppress
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

BAR_COLUMNS = 120  # least width of a terminal with a bar
UNTIMED_STEPS = 2  # the first ones compile, open files and draw first images


class ProgressBar:
    """Shows a run's progress on the standard output of rank 0."""

    def __init__(self, steps: range, console: Console | None = None) -> None:
        self.console = console or Console()
        self._steps, self._first_timed = steps.stop, steps.start + UNTIMED_STEPS
        self._began: tuple[int, float] | None = None  # step and time of the first timed step
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._is_broken = False  # the output, by a full disk or a reader that has ended
        if self.console.is_terminal:
            # a single column of text: a narrow terminal cuts its end, not each part
            text = TextColumn("step {task.completed}/{task.total}  {task.description}")
            wide = self.console.width >= BAR_COLUMNS
            columns = (BarColumn(bar_width=20), text) if wide else (text,)
            self._bar = Progress(*columns, console=self.console)
            self._task = self._bar.add_task("waiting for the first step", total=steps.stop)
            self._bar.start()

    def print(self, line: str) -> None:
        """Prints a line above the moving one.

        A standard output that cannot be written any more does not end the run: log.jsonl has it.
        """
        try:
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)
        except (OSError, SystemExit) as error:  # SystemExit: rich at a pipe without a reader
            if not self._is_broken:
                reason = getattr(error, "strerror", "its reader has ended")
                with suppress(OSError):  # the same full disk
                    sys.stderr.write(f"warning: standard output: {reason}; see log.jsonl\n")
            self._is_broken = True

    def update(self, step: int) -> None:
        if self._began is None and step >= self._first_timed:
            self._began = step, time.monotonic()
        if self._bar is not None:
            self._bar.update(self._task, completed=step)

    def report(self, step: int, summary: str) -> None:
        """Shows the summary of a logged step with the remaining time."""
        line = f"{self._remaining(step)}{summary}"
        if self._bar is not None:
            self._bar.update(self._task, completed=step, description=line)
        else:
            self.print(f"step {step}/{self._steps}  {line}")

    def _remaining(self, step: int) -> str:
        """By the mean time of the steps so far; empty before it is known."""
        if self._began is None or step <= self._began[0]:
            return ""
        first, began = self._began
        left = (time.monotonic() - began) / (step - first) * (self._steps - step)
        return f"ETA {timedelta(seconds=round(left))}  "

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
