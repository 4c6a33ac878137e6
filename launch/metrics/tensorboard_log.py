"""TensorBoard events of a run."""

import errno
import shutil
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch.utils.tensorboard import SummaryWriter

from launch.metrics.loggers import LoggerContext

EVENTS_FOLDER = "tensorboard"
# Curves that are compared with each other, by TensorBoard's names.
CHARTS = {
    "loss and constant baseline": ["Multiline", ["loss/train", "loss/constant_baseline"]],
    "loss by place and source": [
        "Multiline",
        ["loss/inside_fov", "loss/outside_fov", "loss/source/.*"],
    ],
    "k-NN accuracy, majority class, chance": ["Multiline", ["probe/.*"]],
}
MIN_FREE_BYTES = 2**20  # of the disk, before events are written again


class TensorBoardLog:
    """Writes event files into a run folder.

    A resumed run hides the events of later steps. After a write failed, all scalars since the
    start are written again from the history, once there is space on the disk. At a limit on the
    size of files that would never help, so writing ends.
    """

    def __init__(self, context: LoggerContext) -> None:
        self._context = context
        self._folder = context.folder / EVENTS_FOLDER
        self._warning = context.write_warning
        self._events: SummaryWriter | None = None
        self._is_at_limit = False
        self._open()

    def log_scalars(self, step: int, values: dict[str, float]) -> None:
        if self._events is None:
            self._open()  # writes these values too: they are in the history
        else:
            self._write(lambda events: _add_scalars(events, step, values))

    def log_image(self, step: int, name: str, image: UInt8[np.ndarray, "h w c"]) -> None:
        self._write(lambda events: events.add_image(name, image, step, dataformats="HWC"))

    def close(self) -> None:
        self._write(lambda events: events.close())

    def _open(self) -> None:
        is_full = shutil.disk_usage(self._context.folder).free < MIN_FREE_BYTES
        if is_full or self._is_at_limit:
            return
        threading.excepthook = _show_error
        events = SummaryWriter(str(self._folder), purge_step=self._context.start + 1)
        events.add_custom_scalars({"together": CHARTS})
        for line in self._context.history():
            if line["step"] > self._context.start:
                _add_scalars(events, line["step"], line)
        self._events = events
        self._warning.reset()

    def _write(self, write: Callable[[SummaryWriter], None]) -> None:
        if self._events is None:
            return
        try:
            write(self._events)
        except OSError as error:
            self._events = None  # its thread has ended and cannot write again
            self._is_at_limit = error.errno == errno.EFBIG
            self._warning.show(self._folder, error)


def _show_error(arguments: threading.ExceptHookArgs) -> None:
    """Prints the error of a thread; the writer of events raises its own again where it is used."""
    if not type(arguments.thread).__module__.startswith("tensorboard."):
        threading.__excepthook__(arguments)


def _add_scalars(events: SummaryWriter, step: int, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if name != "step":
            events.add_scalar(name, value, step)
