"""What every format of labels comes down to: names that hold for a stretch of time."""

from collections.abc import Mapping
from typing import NamedTuple

MISSING = -1  # a label that is not known


class LabelError(ValueError):
    """Labels that cannot be used: the file, and the line where there is one."""

    exit_status = 2
    on_every_process = True


class LabelSegment(NamedTuple):
    """One label from `begin` until before `end`, in seconds from the recording's time 0."""

    begin: float
    end: float
    label: str
    line: int  # in its file, from 1; 0 where a file has none


class LabelFile(NamedTuple):
    """The marks of recordings by name; one file may hold those of many."""

    path: str
    segments: dict[str, list[LabelSegment]]


class MultiLabelSegment(NamedTuple):
    """What is known of every class of a file from `begin` until before `end`, in seconds."""

    begin: float
    end: float
    values: tuple[int, ...]  # in the order of the file's classes: 1, 0, or -1 where not known
    line: int  # in its file, from 1; 0 where a file has none


class MultiLabelFile(NamedTuple):
    """Its classes, and the marks of recordings by name."""

    path: str
    classes: tuple[str, ...]
    segments: dict[str, list[MultiLabelSegment]]


class ClipEntry(NamedTuple):
    """A labelled recording, or a stretch of one."""

    path: str  # absolute
    label: str | Mapping[str, int]  # its class, or 1, 0 and -1 (not known) by class
    start: float | None  # seconds, as the labels of the recording count; None: its beginning
    end: float | None  # None: its end
    source: str  # the file that lists it
    line: int  # in that file, from 1; 0 where it was found in a folder

    @property
    def location(self) -> str:
        """Where it stands, for errors."""
        return f"{self.source}:{self.line}" if self.line else self.path

    @property
    def description(self) -> str:
        """Where it stands, and what it is of."""
        return f"{self.location}: {self.path}" if self.line else self.path
