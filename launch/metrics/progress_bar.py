"""What a person sees of a run: one moving line on a terminal, plain lines in a file."""

import time
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

WIDE = 120  # columns of a terminal from which on there is room for a bar


class ProgressBar:
    """Shows a run's progress on the first process's standard output."""

    def __init__(self, steps: range, console: Console | None = None) -> None:
        self.console = console or Console()
        self._start, self._steps, self._began = steps.start, steps.stop, time.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)
        if self.console.is_terminal:
            # one column of text, so that a narrow terminal cuts its end and not each part of it
            text = TextColumn("step {task.completed}/{task.total}  {task.description}")
            wide = self.console.width >= WIDE
            columns = (BarColumn(bar_width=20), text) if wide else (text,)
            self._bar = Progress(*columns, console=self.console)
            self._task = self._bar.add_task("waiting for the first step", total=steps.stop)
            self._bar.start()

    def print(self, line: str) -> None:
        """Prints a line that stays, above the moving one."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def update(self, step: int) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=step)

    def report(self, step: int, facts: str) -> None:
        """Shows the figures of a logged step with the time that is left."""
        done = max(step - self._start, 1)
        left = (time.monotonic() - self._began) / done * (self._steps - step)
        line = f"ETA {timedelta(seconds=round(left))}  {facts}"
        if self._bar is not None:
            self._bar.update(self._task, completed=step, description=line)
        else:
            self.print(f"step {step}/{self._steps}  {line}")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
