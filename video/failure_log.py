"""Logs and counts clips that cannot be read, and ends a run with too many of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from video.recording import UnreadableVideo


class TooManyUnreadable(ValueError):
    """A larger share of the data is unreadable than data.max_unreadable allows."""

    exit_status = 2
    on_every_process = True


def failed_paths(file: Path, what: str) -> list[str]:
    """The paths of failures of one kind, such as `reads`, in a log file; damaged lines are none."""
    lines = file.read_bytes().split(b"\n") if file.is_file() else []
    entries = [entry for line in lines if isinstance(entry := _parse(line), dict)]
    return [str(entry.get("path")) for entry in entries if entry.get("during") == what]


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


class FailureLog:
    """Appends failures to `unreadable.jsonl` and ends the run above a limit.

    All ranks count the same failures; one of them writes, the others have no `file`. `limit` is a
    share of all tries. A single failure is allowed unless it is 0, because a share of the first
    few reads means nothing.
    """

    def __init__(
        self, file: Path | None, limit: float, counters: dict[str, int] | None = None
    ) -> None:
        self._file, self._limit = file, limit
        before = {"tries": 0, "failures": 0, **(counters or {})}
        self.counters = {name: before[name] for name in ("tries", "failures")}
        self.counters["logged"] = before.get("logged", before["failures"])

    @property
    def failures(self) -> int:
        return self.counters["failures"]

    def add(
        self,
        what: str,
        tries: int,
        failures: Sequence[UnreadableVideo],
        failed_tries: int | None = None,
    ) -> None:
        """Counts tries of a kind, such as `reads`, with the failed ones among them.

        `failed_tries`: where a failure is not one try, such as a frame of several samples. Raises
        TooManyUnreadable above the limit.
        """
        total = self.counters["tries"] + tries
        failed = self.failures + (len(failures) if failed_tries is None else failed_tries)
        logged = self.counters["logged"] + len(failures)
        self.counters = {"tries": total, "failures": failed, "logged": logged}
        if not failures:
            return
        if self._file:
            with self._file.open("a", encoding="utf-8", errors="backslashreplace") as file:
                for failure in failures:
                    entry = {"path": failure.path, "reason": failure.reason, "during": what}
                    file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        if failed > self._limit * total and (logged > 1 or not self._limit):
            raise TooManyUnreadable(
                f"{failed} of {total} {what} failed, more than data.max_unreadable "
                f"{self._limit:g} allows; last: {failures[-1]}; repair or remove the files in "
                "unreadable.jsonl of the run folder, or raise data.max_unreadable"
            )
