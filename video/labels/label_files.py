"""The labels of a recording among files of labels."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from video.labels.segments import LabelError, LabelFile, MultiLabelFile
from video.recording import Recording

File = TypeVar("File", bound=LabelFile | MultiLabelFile)


class LabelFiles(Generic[File]):
    """Files of labels, each read once, though one may hold the labels of many recordings.

    `find` names the file of a recording by its name; `read` reads one, for a recording of a name.
    """

    def __init__(self, find: Callable[[str], Path], read: Callable[[Path, str], File]) -> None:
        self._find, self._read_file = find, read
        self._read: dict[Path, File] = {}

    def lookup(self, recording: Recording) -> tuple[File, str]:
        """The file of a recording, and the name that it has there; it may be its original's.

        Raises LabelError where there is none.
        """
        missing: list[LabelError] = []
        for name in [Path(path).stem for path in (recording.path, recording.original) if path]:
            try:
                path = self._find(name)
            except LabelError as error:
                missing.append(error)
                continue
            if path not in self._read:
                self._read[path] = self._read_file(path, name)
            if name in self._read[path].segments:
                return self._read[path], name
            known = ", ".join(list(self._read[path].segments)[:3])
            missing.append(LabelError(f"{path}: has no labels of {name}, but of {known}"))
        raise missing[0]
