"""Finds the label file of each recording, and reads each file once."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from video.labels.label_format import LabelFormat, endings_of
from video.labels.segments import LabelError, LabelFile, MultiLabelFile
from video.labels.single_label import SINGLE_LABEL_FORMATS
from video.recording import Recording

PART = re.compile(r"(.+?)[ _.-]*(?:part|pt|teil|p)?[ _.-]*[0-9]{1,3}", re.IGNORECASE)

File = TypeVar("File", bound=LabelFile | MultiLabelFile)
Finder = Callable[[str], Path]


def whole_name(part: str) -> str | None:
    """The name of an operation in that of a part: `op01` for `op01_part2`, `op01-2`, `op01 p2`."""
    found = PART.fullmatch(part)
    return found.group(1) if found else None


def label_finder(
    labels: Path, formats: Mapping[str, LabelFormat[Any]] = SINGLE_LABEL_FORMATS
) -> Finder:
    """A function from the name of a recording to its label file.

    `labels` is one file for all recordings, a pattern with `{name}`, or a folder that is searched
    for the name with one of the endings of `formats`. The function raises LabelError.
    """

    def find(name: str) -> Path:
        if "{name}" in str(labels):
            candidates = [Path(str(labels).replace("{name}", name))]
        elif labels.is_dir():
            candidates = [labels / f"{name}{end}" for end in endings_of(formats)]
        else:
            candidates = [labels]
        found = [path for path in candidates if path.is_file()]
        if len(found) > 1:
            raise LabelError(
                f"{name}: has labels in {found[0]} and in {found[1].name}; remove one, or give the "
                f"labels as {labels}/{{name}}ENDING"
            )
        if found:
            return found[0]
        raise LabelError(f"{name}: has no labels; looked for {', '.join(map(str, candidates))}")

    return find


class LabelFiles(Generic[File]):
    """Label files, each read once, although one may cover many recordings.

    `find` gives the file for the name of a recording; `read` reads a file for that name.
    """

    def __init__(self, find: Finder, read: Callable[[Path, str], File]) -> None:
        self._find, self._read_file = find, read
        self._files: dict[Path, File] = {}
        self._read_for: dict[Path, str] = {}  # the recording for which a file was read

    def lookup(self, recording: Recording) -> tuple[File, str]:
        """The file of a recording and the recording's name in it, which may be its original's.

        Raises LabelError where there is none, or where it and its original have different labels.
        """
        errors: list[LabelError] = []
        found: list[tuple[File, str]] = []
        names = [Path(path).stem for path in (recording.path, recording.original) if path]
        for name in dict.fromkeys(names):
            try:
                path = self._find(name)
            except LabelError as error:
                errors.append(error)
                continue
            if path not in self._files:
                self._files[path], self._read_for[path] = self._read_file(path, name), name
            if name in self._files[path].segments:
                found.append((self._files[path], name))
                continue
            errors.append(LabelError(self._missing(path, name)))
        if found:
            (file, name), (other, original) = found[0], found[-1]
            if file.segments[name] != other.segments[original]:
                raise LabelError(
                    f"{recording.path}: has labels of {name} in {file.path}, and of its original "
                    f"{original} in {other.path}; remove one"
                )
            return file, name
        raise LabelError(f"{errors[0]}{self._note_on_part(recording)}")

    def _missing(self, path: Path, name: str) -> str:
        known = list(self._files[path].segments)
        if known == [self._read_for[path]]:
            return (
                f"{path}: holds labels of one recording, here of {known[0]}, and none of {name}; "
                f"give labels of each recording: a folder, or a pattern such as "
                f"{path.with_stem('{name}')}"
            )
        return f"{path}: has no labels of {name}, but of {', '.join(known[:3])}"

    def _note_on_part(self, recording: Recording) -> str:
        """What a part of an operation needs where only the whole operation has labels."""
        name = Path(recording.path).stem
        whole = whole_name(name)
        if whole is None:
            return ""
        try:
            path = self._find(whole)
        except LabelError:
            return ""
        if path in self._files and whole not in self._files[path].segments:
            return ""
        return (
            f"; {path} has labels of {whole}: if {name} is a part of it, give each part labels "
            f"that count from its own first frame, or join the parts to one file {whole} with "
            "ffmpeg's concat demuxer"
        )
