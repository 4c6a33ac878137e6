"""`log.jsonl` of a run folder: one line of JSON for each logged step."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from launch.atomic_io import write_atomic
from launch.metrics.loggers import WriteWarning

LOG_FILE = "log.jsonl"


class JsonlLog:
    """Writes `log.jsonl`; one process of a run has it.

    A run that resumes after step `start` first removes the lines of later steps, so no step occurs
    twice. On a full disk, lines wait in memory until there is space.
    """

    def __init__(self, folder: Path, start: int, warning: WriteWarning) -> None:
        self._file, self._warning = folder / LOG_FILE, warning
        lines = [line for line in read_log(folder) if line["step"] <= start]
        write_atomic(self._file, "".join(json.dumps(line) + "\n" for line in lines))
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
    """The lines of a run's log, without a last line that a kill cut off."""
    file = folder / LOG_FILE
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return lines


def _append(file: Path, text: str) -> None:
    """Appends all of a text or none of it."""
    size = file.stat().st_size
    try:
        with file.open("a", encoding="utf-8") as opened:
            opened.write(text)
    except OSError:
        with file.open("rb+") as opened:
            opened.truncate(size)
        raise
