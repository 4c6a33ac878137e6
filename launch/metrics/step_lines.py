"""Files with a line of JSON for each step; whatever they hold, no line is lost."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

MAX_STEP = 2**53  # exact in JSON


class StepLine(NamedTuple):
    """A line of a file, and what it says."""

    text: bytes  # without the line feed
    values: dict[str, Any] | None  # with a `step`; None: the line is damaged

    @property
    def step(self) -> int:
        """-1 of a damaged line."""
        return int(self.values["step"]) if self.values else -1


def read_step_lines(file: Path) -> list[StepLine]:
    """The lines of a file, without blank ones; none if there is no file."""
    content = file.read_bytes() if file.is_file() else b""
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return [StepLine(line, _parse(line)) for line in lines if line.strip()]


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        values = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):  # of UTF-8, of JSON, of a number with too many digits
        return None
    step = values.get("step") if isinstance(values, dict) else None
    is_step = isinstance(step, int) and not isinstance(step, bool) and 0 <= step < MAX_STEP
    return values if is_step else None


def removed_file(file: Path) -> Path:
    """Where the lines are kept that a resumed run takes out of a file."""
    return file.with_name(f"{file.stem}_removed{file.suffix}")


def keep_removed(file: Path, lines: Sequence[StepLine]) -> None:
    """Appends lines that are about to be taken out of a file to its `removed_file`."""
    if not lines:
        return
    with removed_file(file).open("ab") as kept:
        kept.write(b"".join(line.text + b"\n" for line in lines))
        kept.flush()
        os.fsync(kept.fileno())
