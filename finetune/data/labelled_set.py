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
    label_report,
    timestamps,
)
from video.labels.label_files import LabelFiles, label_finder
from video.labels.label_format import LabelFormat
from video.labels.multi_label import MULTI_LABEL_FORMATS, read_multi_labels
from video.labels.segments import ClipEntry, LabelError
from video.labels.single_label import SINGLE_LABEL_FORMATS, read_labels
from video.recording import Recording

Parts = dict[str, list[Recording]]


class LabelledSet(NamedTuple):
    """Tracks by part, in the order of the split; without one, all are `train`."""

    classes: tuple[str, ...]
    tracks: dict[str, list[LabelTrack]]
    # part and clip, where the recording could not be opened; these are in no track
    without_recording: tuple[tuple[str, ClipEntry], ...] = ()
    notes: tuple[str, ...] = ()  # what else there is to tell, in lines

    @property
    def many_labels(self) -> bool:
        """Whether a sample may have several classes."""
        return any(track.is_multi_label for tracks in self.tracks.values() for track in tracks)

    def lines(self) -> list[str]:
        """The report of every part."""
        lines = []
        for part, tracks in self.tracks.items():
            lines.append(f"{part}:")
            lines += [f"  {line}" for line in label_report(tracks, self.classes)]
            gone = [entry for other, entry in self.without_recording if other == part]
            if gone:
                lines.append(
                    f"  {len(gone):,} more clips have no recording that could be opened; the "
                    f"first: {gone[0].description}"
                )
        return lines + list(self.notes)


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

    `rate`: samples per second; `multi_label`: whether a timestamp may have several classes;
    `category`: of CholecT50's JSON; `classes`: None takes those of all labels, in order of time,
    or, with `multi_label`, in order of the files.

    Raises LabelError and SplitError, with file and line.
    """
    for name, given in (("rate", rate), ("label_fps", label_fps)):
        if not 0 < given < math.inf:
            raise LabelError(f"{name}: is {given:g}; give frames a second, more than 0")
    parts: Parts = {"train": list(recordings)}
    if split is not None:
        parts = recordings_of(read_split(split), recordings, split)
    form = FORMS[multi_label]
    held = LabelFiles(
        label_finder(labels, form.formats),
        lambda path, name: form.read(path, name, label_fps, category),
    )
    found = {each.path: held.lookup(each) for part in PARTS for each in parts.get(part, ())}
    names = tuple(classes or form.classes(list(found.values())))
    require_classes(names, form.least, str(labels))
    tracks = {
        part: [
            form.join(each, timestamps(each, rate), *found[each.path], names)
            for each in parts[part]
        ]
        for part in PARTS
        if part in parts
    }
    return LabelledSet(names, tracks)


class _Form(NamedTuple):
    """How labels are read and joined; a file is with the recording's name in it."""

    formats: Mapping[str, LabelFormat[Any]]
    read: Callable[[Path, str, float, str], Any]
    classes: Callable[[Sequence[tuple[Any, str]]], Sequence[str]]
    join: Callable[[Recording, Float[np.ndarray, " n"], Any, str, Sequence[str]], LabelTrack]
    least: int  # classes


FORMS = {
    False: _Form(
        SINGLE_LABEL_FORMATS,
        read_labels,
        lambda found: classes_in_order([file.segments[name] for file, name in found]),
        lambda recording, times, file, name, classes: align_labels(
            recording, times, file.segments[name], classes, file.path
        ),
        2,
    ),
    True: _Form(
        MULTI_LABEL_FORMATS,
        read_multi_labels,
        lambda found: list(dict.fromkeys(each for file, _ in found for each in file.classes)),
        lambda recording, times, file, name, classes: align_multi_labels(
            recording, times, file.segments[name], classes, file
        ),
        1,
    ),
}


def require_classes(names: Sequence[str], least: int, source: str) -> None:
    """Raises LabelError where there are too few classes, or two of one name."""
    if len(names) < least:
        few = f"one class only ({', '.join(names)})" if names else "no class"
        raise LabelError(f"{source}: has {few}; two can be told apart")
    for name in names:
        if names.count(name) > 1:
            raise LabelError(f"classes: {name!r} stands twice; each class has a name of its own")
