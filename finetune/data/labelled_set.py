"""A labelled set: recordings, their labels, and the part of the split that each belongs to."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from finetune.data.splits import PARTS, read_split, recordings_of
from video.labels.align import (
    LabelTrack,
    align_labels,
    align_multi_labels,
    classes_in_order,
    timestamps,
)
from video.labels.label_files import LabelFiles, label_finder
from video.labels.label_format import LabelFormat
from video.labels.label_report import label_report
from video.labels.multi_label import MULTI_LABEL_FORMATS, read_multi_labels
from video.labels.segments import ClipEntry, LabelError
from video.labels.single_label import SINGLE_LABEL_FORMATS, read_labels
from video.recording import Recording


class LabelledSet(NamedTuple):
    """Label tracks by part, in the order of the split; without a split, all are `train`."""

    classes: tuple[str, ...]
    tracks: dict[str, list[LabelTrack]]
    # part and clip of those whose recording could not be opened; they are in no track
    unopened: tuple[tuple[str, ClipEntry], ...] = ()
    notes: tuple[str, ...] = ()  # lines of the report that concern no single part

    @property
    def is_multi_label(self) -> bool:
        """Whether a sample may have several classes."""
        return any(track.is_multi_label for tracks in self.tracks.values() for track in tracks)

    @property
    def recordings(self) -> dict[str, list[Recording]]:
        """The recordings of each part."""
        return {part: [each.recording for each in own] for part, own in self.tracks.items()}

    def lines(self) -> list[str]:
        """The report on every part."""
        lines = []
        for part, tracks in self.tracks.items():
            lines.append(f"{part}:")
            lines += [f"  {line}" for line in label_report(tracks, self.classes)]
            unopened = [entry for other, entry in self.unopened if other == part]
            if unopened:
                lines.append(
                    f"  {len(unopened):,} more clips: the recording could not be opened; the "
                    f"first: {unopened[0].description}"
                )
        return lines + list(self.notes)


class LabelType(NamedTuple):
    """How labels of one type are read and aligned. `file`: what `read` returns."""

    formats: Mapping[str, LabelFormat[Any]]  # of the label files
    read: Callable[[Path, str, float, str], Any]  # path, recording, label_fps, category
    class_names: Callable[[Sequence[tuple[Any, str]]], Sequence[str]]  # of (file, recording)
    align: Callable[[Recording, Float[np.ndarray, " n"], Any, str, Sequence[str]], LabelTrack]
    min_classes: int


SINGLE_LABEL = LabelType(
    SINGLE_LABEL_FORMATS,
    read_labels,
    lambda files: classes_in_order([file.segments[name] for file, name in files]),
    lambda recording, times, file, name, classes: align_labels(
        recording, times, file.segments[name], classes, file.path
    ),
    2,
)
MULTI_LABEL = LabelType(
    MULTI_LABEL_FORMATS,
    read_multi_labels,
    lambda files: list(dict.fromkeys(each for file, _ in files for each in file.classes)),
    lambda recording, times, file, name, classes: align_multi_labels(
        recording, times, file.segments[name], classes, file
    ),
    1,
)


def label_recordings(
    recordings: Sequence[Recording],
    labels: Path,
    split: Path | None,
    rate: float = 1.0,
    label_fps: float = 25.0,
    classes: Sequence[str] | None = None,
    multi_label: bool = False,
    category: str = "phase",
) -> LabelledSet:
    """Reads labels and aligns them to recordings.

    `rate`: samples per second; `label_fps`: frames per second that the labels count in;
    `multi_label`: whether a timestamp may have several classes; `category`: the category of
    CholecT50's JSON; `classes`: class names, None takes those of all labels, in order of time, or
    of the files with `multi_label`.

    Raises LabelError and SplitError with file and line.
    """
    for name, given in (("rate", rate), ("label_fps", label_fps)):
        if not 0 < given < math.inf:
            raise LabelError(f"{name}: is {given:g}; give a number above 0")
    parts = {"train": list(recordings)}
    if split is not None:
        parts = recordings_of(read_split(split), recordings, split)
    label_type = MULTI_LABEL if multi_label else SINGLE_LABEL
    files = LabelFiles(
        label_finder(labels, label_type.formats),
        lambda path, name: label_type.read(path, name, label_fps, category),
    )
    found = {each.path: files.lookup(each) for part in PARTS for each in parts.get(part, ())}
    names = tuple(classes or label_type.class_names(list(found.values())))
    require_classes(names, label_type.min_classes, str(labels))

    def align(recording: Recording) -> LabelTrack:
        file, name = found[recording.path]
        track = label_type.align(recording, timestamps(recording, rate), file, name, names)
        end = max((segment.end for segment in file.segments[name]), default=0.0)
        return track._replace(label_fps=label_fps if file.in_frames else None, label_end=end)

    tracks = {part: [align(each) for each in parts[part]] for part in PARTS if part in parts}
    return LabelledSet(names, tracks)


def require_classes(names: Sequence[str], min_classes: int, source: str) -> None:
    """Raises LabelError if there are too few classes, or two with the same name."""
    if len(names) < min_classes:
        found = f"only one class ({', '.join(names)})" if names else "no class"
        raise LabelError(f"{source}: has {found}; a classifier needs {min_classes} or more")
    for name in names:
        if names.count(name) > 1:
            raise LabelError(f"classes: {name!r} is there twice; class names must differ")
