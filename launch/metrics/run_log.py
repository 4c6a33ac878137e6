"""What a run writes down: one line of JSON a logged step, and TensorBoard events."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch.utils.tensorboard import SummaryWriter

from launch.atomic_io import write_atomic

LOG_FILE = "log.jsonl"
EVENTS_FOLDER = "tensorboard"
# Curves that say something beside each other only, by TensorBoard's names.
CHARTS = {
    "loss and constant baseline": ["Multiline", ["loss/train", "loss/constant_baseline"]],
    "loss by place and source": [
        "Multiline",
        ["loss/inside_fov", "loss/outside_fov", "loss/source/.*"],
    ],
    "k-NN accuracy, majority class, chance": ["Multiline", ["probe/.*"]],
}
MIN_FREE_BYTES = 2**20  # bytes free on the disk, before events are written again


class RunLog:
    """Writes `log.jsonl` and `tensorboard/` of a run folder; one process of a run owns it.

    A run that goes on from `start` first drops what was logged after it, so no step stands twice.
    On a full disk, lines wait in memory, and events are made from the lines when there is room
    again; `report` is told.
    """

    def __init__(self, folder: Path, start: int, report: Callable[[str], None]) -> None:
        self._folder, self._start, self._report = folder, start, report
        self._file = folder / LOG_FILE
        kept = [line for line in read_log(folder) if line["step"] <= start]
        write_atomic(self._file, "".join(json.dumps(line) + "\n" for line in kept))
        self._waiting: list[dict[str, Any]] = []
        self._told = False
        self._events: SummaryWriter | None = None
        self._open_events()

    def log_scalars(self, step: int, values: dict[str, float]) -> None:
        """Logs numbers under names such as `loss/train`; what is not a number is left out."""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        line = {"step": step, **finite}
        self._waiting.append(line)
        try:
            _append(self._file, "".join(json.dumps(waits) + "\n" for waits in self._waiting))
            self._waiting.clear()
        except OSError as error:
            self._tell(self._file, error)
            return
        if self._events is None:
            self._open_events()  # with this line, too
        else:
            self._to_events(lambda events: _add_scalars(events, line))

    def log_image(self, step: int, name: str, image: UInt8[np.ndarray, "h w c"]) -> None:
        self._to_events(lambda events: events.add_image(name, image, step, dataformats="HWC"))

    def close(self) -> None:
        self._to_events(lambda events: events.close())

    def _open_events(self) -> None:
        if shutil.disk_usage(self._folder).free < MIN_FREE_BYTES:
            return
        events = SummaryWriter(str(self._folder / EVENTS_FOLDER), purge_step=self._start + 1)
        events.add_custom_scalars({"together": CHARTS})
        for line in read_log(self._folder):
            if line["step"] > self._start:
                _add_scalars(events, line)
        self._events, self._told = events, False

    def _to_events(self, does: Callable[[SummaryWriter], None]) -> None:
        if self._events is None:
            return
        try:
            does(self._events)
        except OSError as error:
            self._events = None  # its thread has ended, and does not write again
            self._tell(self._folder / EVENTS_FOLDER, error)

    def _tell(self, path: Path, error: OSError) -> None:
        if not self._told:
            self._report(f"warning: {path} cannot be written ({error.strerror}); it waits for room")
        self._told = True


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's log; a last line that was cut off by a kill is left out."""
    file = folder / LOG_FILE
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return lines


def _add_scalars(events: SummaryWriter, line: dict[str, Any]) -> None:
    for name, value in line.items():
        if name != "step":
            events.add_scalar(name, value, line["step"])


def _append(file: Path, text: str) -> None:
    """Appends all of a text or none of it."""
    before = file.stat().st_size
    try:
        with file.open("a", encoding="utf-8") as opened:
            opened.write(text)
    except OSError:
        with file.open("rb+") as opened:
            opened.truncate(before)
        raise
