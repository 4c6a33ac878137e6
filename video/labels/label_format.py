"""A row of the tables of label formats, and how a file finds its row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from video.labels.csv_rows import read_label_text
from video.labels.segments import LabelError, LabelFile, MultiLabelFile

File = TypeVar("File", bound=LabelFile | MultiLabelFile)


class LabelOptions(NamedTuple):
    """What a label file itself does not contain."""

    recording: str  # whose labels these are, in formats with one recording per file
    label_fps: float  # rate of the frame numbers in Cholec80's files
    category: str  # of CholecT50's JSON


@dataclass(frozen=True)
class LabelFormat(Generic[File]):
    """A format of label files."""

    title: str
    """For error messages."""
    endings: tuple[str, ...]
    """What follows the recording's name in file names of this format."""
    matches: Callable[[str], bool]
    """Whether a text is in this format, which is recognised by content, not by file name."""
    read: Callable[[Path, str, LabelOptions], File]
    """Reads a text; the path is for errors. Raises LabelError with file and line."""


def read_by_format(
    formats: Mapping[str, LabelFormat[File]], path: Path, options: LabelOptions, hint: str
) -> File:
    """Reads a file by the row that matches; of several, the one that was added last.

    Raises LabelError where none matches.
    """
    text = read_label_text(path)
    for form in reversed(list(formats.values())):
        if form.matches(text):
            return form.read(path, text, options)
    titles = ", ".join(form.title for form in formats.values())
    raise LabelError(
        f"{path}:1: {first_line(text)[:60]!r} matches no label format; known formats: {titles}; "
        f"{hint}"
    )


def first_line(text: str) -> str:
    """The first line with anything in it."""
    return text.lstrip().partition("\n")[0]


def endings_of(formats: Mapping[str, LabelFormat[File]]) -> tuple[str, ...]:
    """All file endings of a table, each once, in its order."""
    return tuple(dict.fromkeys(end for form in formats.values() for end in form.endings))
