"""The account of what could not be read: nothing is left out without a line and a count."""

import json
from collections.abc import Sequence
from pathlib import Path

from video.recording import UnreadableVideo


class TooManyUnreadable(ValueError):
    """More of the data is unreadable than was allowed."""

    exit_status = 2
    on_every_process = True


def count_failures(file: Path, what: str) -> int:
    """The number of failures that a file tells of one kind."""
    if not file.is_file():
        return 0
    ending = json.dumps({"during": what})[1:]  # a line that was cut off by a crash has none
    return sum(line.endswith(ending) for line in file.read_text(encoding="utf-8").splitlines())


class FailureLog:
    """Appends failures to `unreadable.jsonl` and ends the run above a limit.

    Every process of a run counts alike; one of them writes, the others have no `file`. `limit` is
    a share of all tries; a single failure is allowed unless it is 0, for one in the first few
    reads says nothing about a share.
    """

    def __init__(
        self, file: Path | None, limit: float, counters: dict[str, int] | None = None
    ) -> None:
        self._file, self._limit = file, limit
        before = counters or {}
        self.counters = {name: before.get(name, 0) for name in ("tries", "failures")}

    @property
    def failures(self) -> int:
        return self.counters["failures"]

    def add(self, what: str, tries: int, failures: Sequence[UnreadableVideo]) -> None:
        """Counts tries of a kind, such as `reads`; raises TooManyUnreadable above the limit."""
        total = self.counters["tries"] + tries
        failed = self.failures + len(failures)
        self.counters = {"tries": total, "failures": failed}
        if not failures:
            return
        if self._file:
            with self._file.open("a", encoding="utf-8") as file:
                for failure in failures:
                    entry = {"path": failure.path, "reason": failure.reason, "during": what}
                    file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        if failed > max(self._limit * total, 1 if self._limit else 0):
            raise TooManyUnreadable(
                f"{failed} of {total} {what} failed, more than data.max_unreadable "
                f"{self._limit:g} allows; last: {failures[-1]}; mend or remove the files listed in "
                "unreadable.jsonl of the run folder, or raise data.max_unreadable"
            )
