"""A row of the table of file formats."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from torch import Tensor

from encoder.checkpoint.key_map import KeyMap
from encoder.config import EncoderConfig

Writer = Callable[[Path, Mapping[str, Tensor], EncoderConfig, Mapping[str, Any]], None]
"""Writes path, the encoder's state dict, its configuration and JSON metadata."""


class FileFormat(NamedTuple):
    """How a program stores an encoder; a row of `FORMATS`."""

    key_map: KeyMap
    write: Writer | None = None  # None: such files can be read only
    requires: Mapping[str, Any] = MappingProxyType({})
    """Fields of EncoderConfig and the only value that the program supports."""
