"""A labelled set: recordings, their labels, and the part of the split that each belongs to."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from finetune.labels.formats import label_files, read_labels
from finetune.labels.joining import Track, classes_of, join, moments, report
from finetune.labels.marks import LabelError, LabelFile, Mark
from finetune.splits import PARTS, read_split, recordings_of
from video.recording import Recording

Parts = dict[str, list[Recording]]


class LabelledSet(NamedTuple):
    """Tracks by part, in the order of the split; without one, all are `train`."""

    classes: tuple[str, ...]
    tracks: dict[str, list[Track]]

    def lines(self) -> list[str]:
        """The report of every part."""
        lines = []
        for part, tracks in self.tracks.items():
            lines.append(f"{part}:")
            lines += [f"  {line}" for line in report(tracks, self.classes)]
        return lines


def label_recordings(
    recordings: Sequence[Recording],
    labels: Path,
    split: Path | None,
    rate: float = 1.0,
    label_fps: float = 25.0,
    classes: Sequence[str] | None = None,
) -> LabelledSet:
    """`rate`: moments a second; `classes`: None takes those of all labels in the order of time.

    Raises LabelError and SplitError, with file and line.
    """
    parts: Parts = {"train": list(recordings)}
    if split is not None:
        parts = recordings_of(read_split(split), recordings, split)
    find, held = label_files(labels), _Files(label_fps)
    marks = {
        recording.path: held.of(find, recording)
        for part in PARTS
        for recording in parts.get(part, ())
    }
    names = tuple(classes) if classes else classes_of([found for _, found in marks.values()])
    if len(names) < 2:
        raise LabelError(
            f"{labels}: has one class only ({', '.join(names)}); two can be told apart"
        )
    return LabelledSet(
        names,
        {
            part: [
                join(each, moments(each, rate), marks[each.path][1], names, marks[each.path][0])
                for each in parts[part]
            ]
            for part in PARTS
            if part in parts
        },
    )


class _Files:
    """Files of labels, each read once, though one may hold the labels of many recordings."""

    def __init__(self, label_fps: float) -> None:
        self._label_fps = label_fps
        self._read: dict[Path, LabelFile] = {}

    def of(self, find: Callable[[str], Path], recording: Recording) -> tuple[str, list[Mark]]:
        """The file and the marks of a recording, which may be known by its original's name."""
        missing: list[LabelError] = []
        for name in [Path(path).stem for path in (recording.path, recording.original) if path]:
            try:
                path = find(name)
            except LabelError as error:
                missing.append(error)
                continue
            if path not in self._read:
                self._read[path] = read_labels(path, name, self._label_fps)
            marks = self._read[path].marks
            if name in marks:
                return str(path), marks[name]
            known = ", ".join(list(marks)[:3])
            missing.append(LabelError(f"{path}: has no labels of {name}, but of {known}"))
        raise missing[0]
