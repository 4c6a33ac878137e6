"""`log.jsonl` of a run folder: one line of JSON for each logged step."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from launch.atomic_io import write_atomic
from launch.metrics.loggers import WriteWarning
from launch.metrics.step_lines import keep_removed, read_step_lines, removed_file

LOG_FILE = "log.jsonl"


class JsonlLog:
    """Writes `log.jsonl`; one process of a run has it.

    A run that resumes after step `start` first moves the lines of later steps, and those that are
    damaged, to `log_removed.jsonl`, so no step occurs twice and no line is lost. `report` takes a
    line about damaged ones. On a full disk, lines wait in memory until there is space.
    """

    def __init__(
        self, folder: Path, start: int, warning: WriteWarning, report: Callable[[str], None]
    ) -> None:
        self._file, self._warning = folder / LOG_FILE, warning
        lines = read_step_lines(self._file)
        kept = [line for line in lines if 0 <= line.step <= start]
        keep_removed(self._file, [line for line in lines if not 0 <= line.step <= start])
        write_atomic(self._file, "".join(line.text.decode() + "\n" for line in kept))
        damaged = [line for line in lines if line.values is None]
        if damaged:
            report(
                f"warning: {self._file}: {len(damaged)} lines are damaged, the first: "
                f"{damaged[0].text[:60]!r}; they are now in {removed_file(self._file).name}"
            )
        self._folder, self._pending = folder, list[dict[str, Any]]()

    def log_scalars(self, step: int, values: dict[str, float]) -> None:
        """Appends a line, and the lines that waited."""
        self._pending.append({"step": step, **values})
        try:
            _append(self._file, "".join(json.dumps(line) + "\n" for line in self._pending))
        except OSError as error:
            self._warning.show(self._file, error)
            return
        if len(self._pending) > 1:
            self._warning.reset()
        self._pending.clear()

    def history(self) -> Sequence[dict[str, Any]]:
        """All lines so far, also those that wait in memory."""
        return [*read_log(self._folder), *self._pending]


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's log, without damaged ones, such as a last line that a kill cut off."""
    return [line.values for line in read_step_lines(folder / LOG_FILE) if line.values]


def _append(file: Path, text: str) -> None:
    """Appends all of a text or none of it; begins a new file if it was removed."""
    size = file.stat().st_size if file.exists() else 0
    try:
        with file.open("a", encoding="utf-8") as opened:
            opened.write(text)
    except OSError:
        with file.open("rb+") as opened:
            opened.truncate(size)
        raise
