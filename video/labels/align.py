"""Aligns labels to recordings: each timestamp gets the label of its segment, or none."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64

from video.discover import VIDEO_SUFFIXES
from video.labels.segments import (
    MISSING,
    LabelError,
    LabelSegment,
    MultiLabelFile,
    MultiLabelSegment,
)
from video.recording import Recording

OUT_OF_RANGE_SECONDS = 2.0  # labels may extend past the last frame, as in re-encoded files
TIME_TOLERANCE = 1e-3  # seconds: times are written with three digits


class LabelTrack(NamedTuple):
    """The labels of one recording at its timestamps or labelled clips, and what did not fit."""

    recording: Recording
    times: Float[np.ndarray, " n"]  # seconds, ascending; of clips, where each begins
    # class index, -1 where unknown; for multi-label, 1 and 0 by class, -1 where unknown
    labels: Int64[np.ndarray, "n ..."]
    out_of_range: int  # segments outside the recording
    conflicting: int  # labels on which segments disagree; they are treated as unknown
    ends: Float[np.ndarray, " n"] | None = None  # where each clip ends; None: timestamps
    label_fps: float | None = None  # of labels that count in frames
    label_end: float = 0.0  # seconds, where the last segment ends

    @property
    def is_multi_label(self) -> bool:
        """Whether a sample may have several classes."""
        return self.labels.ndim == 2

    @property
    def known(self) -> Bool[np.ndarray, " n"]:
        """Whether a sample has a known label, for multi-label at least one."""
        known = self.labels != MISSING
        return known.any(axis=1) if self.is_multi_label else known

    @property
    def labelled(self) -> int:
        return int(self.known.sum())

    @property
    def unlabelled(self) -> int:
        return len(self.labels) - self.labelled


def timestamps(recording: Recording, rate: float) -> Float[np.ndarray, " n"]:
    """Times from 0 at `rate` per second at which the recording has frames: none in a hole."""
    count = max(1, int(np.floor(recording.seconds * rate + TIME_TOLERANCE)))
    edges = [0.0, *(edge for span in recording.holes for edge in span), count / rate + 1]
    shown = []  # span by span, so that a long hole costs nothing
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        first, last = int(begin * rate), min(int(end * rate) + 1, count)
        times = np.arange(max(first - 1, 0), last) / rate
        shown.append(times[(times >= begin - TIME_TOLERANCE) & (times < end - TIME_TOLERANCE)])
    return np.concatenate(shown)


def label_origin(recording: Recording) -> float:
    """The time on the axis of the labels at which the recording's time 0 lies, in seconds.

    Labels of a video count from its first frame. Labels of a folder of images count by the
    numbers of the images, also in what was prepared from the folder.
    """
    if recording.kind == "folder":
        return recording.first
    of_folder = recording.original and Path(recording.original).suffix.lower() not in VIDEO_SUFFIXES
    return (recording.original_first or 0.0) if of_folder else 0.0


def align_labels(
    recording: Recording,
    times: Float[np.ndarray, " n"],
    segments: Sequence[LabelSegment],
    classes: Sequence[str],
    source: str,
) -> LabelTrack:
    """Labels at `times`, as indices of `classes`; `source` is their file, for errors.

    Raises LabelError where a label is not in `classes`, or a segment begins long after the end of
    the recording.
    """
    index = {name: i for i, name in enumerate(classes)}
    labels = np.full(len(times), MISSING, dtype=np.int64)
    conflicting = np.zeros(len(times), dtype=bool)
    out_of_range = 0
    for segment in segments:
        location = f"{source}:{segment.line}" if segment.line else source
        _require_class(segment.label, classes, location)
        covered, outside = _covered_samples(recording, times, segment, source)
        out_of_range += outside
        label = index[segment.label]
        conflicting[covered] |= (labels[covered] != MISSING) & (labels[covered] != label)
        labels[covered] = label
    labels[conflicting] = MISSING
    return LabelTrack(recording, times, labels, out_of_range, int(conflicting.sum()))


def align_multi_labels(
    recording: Recording,
    times: Float[np.ndarray, " n"],
    segments: Sequence[MultiLabelSegment],
    classes: Sequence[str],
    file: MultiLabelFile,
) -> LabelTrack:
    """As `align_labels`, with several labels; a class that the file lacks is unknown.

    Conflicting labels are counted by class and timestamp.
    """
    for name in file.classes:
        _require_class(name, classes, file.path)
    columns = [list(classes).index(name) for name in file.classes]
    labels = np.full((len(times), len(classes)), MISSING, dtype=np.int64)
    conflicting = np.zeros(labels.shape, dtype=bool)
    out_of_range = 0
    for segment in segments:
        covered, outside = _covered_samples(recording, times, segment, file.path)
        out_of_range += outside
        values = np.full(len(classes), MISSING, dtype=np.int64)
        values[columns] = segment.values
        before = labels[covered]
        conflicting[covered] |= (before != MISSING) & (values != MISSING) & (before != values)
        labels[covered] = np.where(values == MISSING, before, values)
    labels[conflicting] = MISSING
    return LabelTrack(recording, times, labels, out_of_range, int(conflicting.sum()))


def _require_class(label: str, classes: Sequence[str], location: str) -> None:
    if label not in classes:
        near = get_close_matches(label, classes, n=1)
        raise LabelError(
            f"{location}: {label!r} is none of the {len(classes)} classes"
            + (f"; nearest: {near[0]!r}" if near else "")
        )


def _covered_samples(
    recording: Recording,
    times: Float[np.ndarray, " n"],
    segment: LabelSegment | MultiLabelSegment,
    source: str,
) -> tuple[slice, bool]:
    """The timestamps in a segment, and whether the segment is outside the recording."""
    origin = label_origin(recording)
    begin, end = segment.begin - origin, segment.end - origin
    if begin > recording.seconds + OUT_OF_RANGE_SECONDS:
        location = f"{source}:{segment.line}" if segment.line else source
        raise LabelError(
            f"{location}: a label at {segment.begin:g} s, but {recording.path} ends at "
            f"{origin + recording.seconds:g} s; check that the labels are of this recording, and "
            "label_fps"
        )
    first, last = np.searchsorted(times, (begin - TIME_TOLERANCE, end - TIME_TOLERANCE))
    return slice(int(first), int(last)), begin >= recording.seconds or end <= 0


def classes_in_order(files: Sequence[Sequence[LabelSegment]]) -> tuple[str, ...]:
    """The classes in order of their first segment in time, recording by recording."""
    names: dict[str, None] = {}
    for segments in files:
        ordered = sorted(segments, key=lambda segment: segment.begin)
        names |= dict.fromkeys(segment.label for segment in ordered)
    return tuple(names)
