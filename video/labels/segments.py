"""What every label format is read into: segments of time with a label."""

from collections.abc import Mapping
from typing import NamedTuple

MISSING = -1  # an unknown label


class LabelError(ValueError):
    """Labels that cannot be used; names the file, and the line if there is one."""

    exit_status = 2
    on_every_process = True


class LabelSegment(NamedTuple):
    """One label from `begin` (inclusive) to `end` (exclusive), in seconds of the recording."""

    begin: float
    end: float
    label: str
    line: int  # in its file, from 1; 0 if the format has no lines


class LabelFile(NamedTuple):
    """Segments by the name of the recording; one file may cover many recordings."""

    path: str
    segments: dict[str, list[LabelSegment]]
    in_frames: bool = False  # whether it has numbers of frames, which label_fps made seconds


class MultiLabelSegment(NamedTuple):
    """The values of all classes of a file from `begin` (inclusive) to `end` (exclusive)."""

    begin: float
    end: float
    values: tuple[int, ...]  # in the order of the file's classes: 1, 0, or -1 if unknown
    line: int  # in its file, from 1; 0 if the format has no lines


class MultiLabelFile(NamedTuple):
    """The classes of a file, and segments by the name of the recording."""

    path: str
    classes: tuple[str, ...]
    segments: dict[str, list[MultiLabelSegment]]
    in_frames: bool = False  # as in LabelFile


class ClipEntry(NamedTuple):
    """A labelled recording, or a labelled interval of one."""

    path: str  # absolute
    label: str | Mapping[str, int]  # its class; or 1, 0 and -1 (unknown) by class
    start: float | None  # seconds, on the time axis of the labels; None: start of the recording
    end: float | None  # None: end of the recording
    source: str  # the file that lists it
    line: int  # in that file, from 1; 0 if it was found in a folder

    @property
    def location(self) -> str:
        """File and line, for errors."""
        return f"{self.source}:{self.line}" if self.line else self.path

    @property
    def description(self) -> str:
        """File, line and recording, for errors."""
        return f"{self.location}: {self.path}" if self.line else self.path
