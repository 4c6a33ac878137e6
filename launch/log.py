"""What a run writes down: one line of JSON a logged step, and TensorBoard events."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch.utils.tensorboard import SummaryWriter

from launch.durable import write_durably

LOG_FILE = "log.jsonl"
EVENTS_FOLDER = "tensorboard"


class RunLog:
    """Writes `log.jsonl` and `tensorboard/` of a run folder; one process of a run owns it.

    A run that goes on from `start` first drops what was logged after it, so no step stands twice.
    """

    def __init__(self, folder: Path, start: int) -> None:
        self._file = folder / LOG_FILE
        kept = [line for line in read_log(folder) if line["step"] <= start]
        write_durably(self._file, "".join(json.dumps(line) + "\n" for line in kept))
        self._events = SummaryWriter(str(folder / EVENTS_FOLDER), purge_step=start + 1)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Logs numbers under names such as `loss/train`; what is not a number is left out."""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **finite}) + "\n")
        for name, value in finite.items():
            self._events.add_scalar(name, value, step)

    def picture(self, step: int, name: str, image: UInt8[np.ndarray, "h w c"]) -> None:
        self._events.add_image(name, image, step, dataformats="HWC")

    def text(self, name: str, text: str) -> None:
        self._events.add_text(name, text)

    def close(self) -> None:
        self._events.close()


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
