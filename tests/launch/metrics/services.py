"""Loggers of services that answer, fail or hang, for tests of the background logger."""

import json
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic.dataclasses import dataclass

from launch.config import STRICT


@dataclass(frozen=True, config=STRICT)
class ServiceConfig:
    """A service at an address."""

    url: str = ""
    """Its address."""
    kind: Literal["service"] = "service"
    """The logger."""

    package: ClassVar[str | None] = None


class FileService:
    """Writes the calls into a file."""

    def __init__(self, config: ServiceConfig, folder: Path) -> None:
        self._file, self._calls = folder / "calls.json", list[Any]()

    def log_scalars(self, step: int, values: dict[str, float]) -> None:
        self._calls.append([step, values])

    def log_image(self, step: int, name: str, image: np.ndarray) -> None:
        self._calls.append([step, name, image.shape, int(image.sum())])

    def close(self) -> None:
        print("the library prints")
        self._file.write_text(json.dumps(self._calls))


class HangingService(FileService):
    """Does not end."""

    def close(self) -> None:
        time.sleep(10_000)


class LeavingService(FileService):
    """Ends the interpreter, as a library should not."""

    def log_scalars(self, step: int, values: dict[str, float]) -> None:
        sys.exit(0)


class WebService(FileService):
    """Sends metrics to an address, without a time limit."""

    def log_scalars(self, step: int, values: dict[str, float]) -> None:
        urllib.request.urlopen(self._url, json.dumps(values).encode())

    def __init__(self, config: ServiceConfig, folder: Path) -> None:
        super().__init__(config, folder)
        self._url = config.url
