"""The table of readers: each row is one way to read frames from recordings."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


@dataclass(frozen=True)
class Reader:
    """One way to read frames, and all that the rest of the code must know about it."""

    function: str
    """`module:function`, imported on first use; its signature is that of `read_frames`."""
    kind: Literal["video", "folder", "pack"] = "video"
    """The recordings it reads: video files, folders of images, or prepared JPEG packs."""
    selectable: bool = False
    """Users may prefer it (`data.reader`, `--reader`)."""
    fallback: bool = False
    """Tried, in the order of the table, where the preferred reader fails verification."""
    from_beginning: bool = False
    """Every read decodes the recording from its beginning, so one read verifies all positions."""
    max_difference: float = 0.0
    """Mean grey levels by which its colours may differ from those of sequential decoding."""
    install: str = ""
    """How to install the package that it needs; empty: nothing beside PyAV and simplejpeg."""


# torchcodec is no fallback: a manifest must not depend on what is installed where it is written.
# Nor is decord: where a file is damaged, what it returns differs from read to read.
READERS: dict[str, Reader] = {
    "pyav": Reader("video.readers.pyav_reader:read_by_timestamp", selectable=True, fallback=True),
    "decord": Reader(
        "video.readers.decord_reader:read_by_decord",
        selectable=True,
        max_difference=8.0,
        install="run `pip install decord`",
    ),
    "torchcodec": Reader(
        "video.readers.torchcodec_reader:read_by_torchcodec",
        selectable=True,
        max_difference=8.0,
        install="run `pip install torchcodec`, and install FFmpeg's shared libraries",
    ),
    "sequential": Reader(
        "video.readers.pyav_reader:read_sequentially", fallback=True, from_beginning=True
    ),
    "frames": Reader("video.readers.image_readers:read_folder", kind="folder"),
    "pack": Reader("video.readers.image_readers:read_pack", kind="pack"),
}


class ReaderUnavailable(ValueError):
    """The package of a reader cannot be imported."""

    exit_status = 2


def load_reader(name: str) -> Callable[..., Any]:
    """The function of a reader; its library is imported here, not before."""
    return _import(READERS[name].function)


@cache
def _import(function: str) -> Callable[..., Any]:
    module, _, name = function.partition(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return loaded


def require_reader(name: str) -> None:
    """Imports the package that a reader needs. Raises ReaderUnavailable."""
    if not READERS[name].install:
        return
    try:
        load_reader(name)
    except Exception as error:  # a package without its native libraries may raise anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ReaderUnavailable(
            f"reader {name} is not available ({reason}); {READERS[name].install}, or choose "
            "another reader"
        ) from None


def selectable_readers() -> list[str]:
    """Names of the readers that a user may prefer."""
    return [name for name, reader in READERS.items() if reader.selectable]


def _one_of(name: str, names: list[str]) -> str:
    if name in names:
        return name
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    message = f"Reader must be one of {', '.join(names)}" + (
        f"; did you mean {near[0]}?" if near else ""
    )
    raise PydanticCustomError("unknown_reader", "{message}", {"message": message})


def _known(name: str) -> str:
    return _one_of(name, list(READERS))


def _selectable(name: str) -> str:
    return _one_of(name, selectable_readers())


# The table is read when a value is validated, so rows of a user's plugin count.
ReaderName = Annotated[str, AfterValidator(_known)]
PreferredReader = Annotated[str, AfterValidator(_selectable)]


@dataclass(frozen=True)
class WithReaders:
    """A function to run in a new process, which gets the rows of this process's table first.

    A new process imports only what is built in; the rows of a user's plugin travel with the call.
    """

    function: Callable[..., Any]
    rows: dict[str, Reader] = field(default_factory=lambda: dict(READERS))

    def __call__(self, *arguments: Any) -> Any:
        READERS.update(self.rows)
        return self.function(*arguments)
