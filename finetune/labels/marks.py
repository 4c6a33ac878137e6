"""What every format of labels comes down to: names that hold for a stretch of time."""

from typing import NamedTuple


class LabelError(ValueError):
    """Labels that cannot be used: the file, and the line where there is one."""

    exit_status = 2
    on_every_process = True


class Mark(NamedTuple):
    """One label from `begin` until before `end`, in seconds from the recording's time 0."""

    begin: float
    end: float
    label: str
    line: int  # in its file, from 1; 0 where a file has none


class LabelFile(NamedTuple):
    """The marks of recordings by name; one file may hold those of many."""

    path: str
    marks: dict[str, list[Mark]]
