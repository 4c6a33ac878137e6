"""Labels joined to recordings by time: each moment gets what holds then, or no label."""

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

OUT_OF_RANGE_SECONDS = 2.0  # that labels may go on after the last frame, as re-encoded files do
TIME_TOLERANCE = 1e-3  # seconds, of times written with three digits


class LabelTrack(NamedTuple):
    """The labels of one recording at its moments or stretches, and what did not fit."""

    recording: Recording
    times: Float[np.ndarray, " n"]  # seconds, ascending; of stretches, where each begins
    # classes, -1 where none holds; or, of several labels, 1 and 0 by class, -1 where not known
    labels: Int64[np.ndarray, "n ..."]
    out_of_range: int  # marks behind the recording's end
    conflicting: int  # labels on which marks disagree, which are not known here
    ends: Float[np.ndarray, " n"] | None = None  # where each stretch ends; None: moments

    @property
    def is_multi_label(self) -> bool:
        """Whether a sample may have several classes."""
        return self.labels.ndim == 2

    @property
    def known(self) -> Bool[np.ndarray, " n"]:
        """Whether a sample has a label, or of several at least one that is known."""
        known = self.labels != MISSING
        return known.any(axis=1) if self.is_multi_label else known

    @property
    def labelled(self) -> int:
        return int(self.known.sum())

    @property
    def unlabelled(self) -> int:
        return len(self.labels) - self.labelled


def timestamps(recording: Recording, rate: float) -> Float[np.ndarray, " n"]:
    """Times at `rate` a second from 0, at which the recording has a frame to show.

    A folder of sparse pictures has those of its frames only; there are none in a hole.
    """
    count = max(1, int(np.floor(recording.seconds * rate + TIME_TOLERANCE)))
    times = np.arange(count) / rate
    for begin, end in recording.holes:
        times = times[(times < begin - TIME_TOLERANCE) | (times >= end - TIME_TOLERANCE)]
    return times


def label_origin(recording: Recording) -> float:
    """The second of the labels at which a recording's time 0 lies.

    Labels of a video count from its first frame. Those of a folder of pictures count as its
    pictures are numbered, so also in what was prepared from one.
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
    """`source`: the file of the marks, for errors.

    Raises LabelError where a label is none of `classes`, or marks go on long after the recording.
    """
    index = {name: i for i, name in enumerate(classes)}
    labels = np.full(len(times), MISSING, dtype=np.int64)
    disputed = np.zeros(len(times), dtype=bool)
    surplus = 0
    for mark in segments:
        _require_class(mark.label, classes, f"{source}:{mark.line}" if mark.line else source)
        inside, behind = _covered_samples(recording, times, mark, source)
        surplus += behind
        other = (labels[inside] != MISSING) & (labels[inside] != index[mark.label])
        disputed[inside] |= other
        labels[inside] = index[mark.label]
    labels[disputed] = MISSING
    return LabelTrack(recording, times, labels, surplus, int(disputed.sum()))


def align_multi_labels(
    recording: Recording,
    times: Float[np.ndarray, " n"],
    segments: Sequence[MultiLabelSegment],
    classes: Sequence[str],
    file: MultiLabelFile,
) -> LabelTrack:
    """As `join`, of several labels; a class that the file has not is not known.

    `disputed` counts labels: one is that of one class at one moment.
    """
    for name in file.classes:
        _require_class(name, classes, file.path)
    columns = [list(classes).index(name) for name in file.classes]
    labels = np.full((len(times), len(classes)), MISSING, dtype=np.int64)
    disputed = np.zeros(labels.shape, dtype=bool)
    surplus = 0
    for mark in segments:
        inside, behind = _covered_samples(recording, times, mark, file.path)
        surplus += behind
        given = np.full(len(classes), MISSING, dtype=np.int64)
        given[columns] = mark.values
        held = labels[inside]
        disputed[inside] |= (held != MISSING) & (given != MISSING) & (held != given)
        labels[inside] = np.where(given == MISSING, held, given)
    labels[disputed] = MISSING
    return LabelTrack(recording, times, labels, surplus, int(disputed.sum()))


def _require_class(label: str, classes: Sequence[str], place: str) -> None:
    if label not in classes:
        near = get_close_matches(label, classes, n=1)
        raise LabelError(
            f"{place}: {label!r} is none of the {len(classes)} classes"
            + (f"; nearest: {near[0]!r}" if near else "")
        )


def _covered_samples(
    recording: Recording,
    times: Float[np.ndarray, " n"],
    mark: LabelSegment | MultiLabelSegment,
    source: str,
) -> tuple[slice, bool]:
    """The moments that a mark holds for, and whether it lies outside the recording."""
    origin = label_origin(recording)
    begin, end = mark.begin - origin, mark.end - origin
    if begin > recording.seconds + OUT_OF_RANGE_SECONDS:
        raise LabelError(
            f"{source}{f':{mark.line}' if mark.line else ''}: a label at {mark.begin:g} s, "
            f"{recording.path} ends at {origin + recording.seconds:g} s; are these the labels of "
            "another recording, or of another rate (label_fps)?"
        )
    first, last = np.searchsorted(times, (begin - TIME_TOLERANCE, end - TIME_TOLERANCE))
    return slice(int(first), int(last)), begin >= recording.seconds or end <= 0


def classes_in_order(files: Sequence[Sequence[LabelSegment]]) -> tuple[str, ...]:
    """The names in order of their first mark in time, recording by recording."""
    names: dict[str, None] = {}
    for marks in files:
        names |= dict.fromkeys(mark.label for mark in sorted(marks, key=lambda mark: mark.begin))
    return tuple(names)


def label_report(tracks: Sequence[LabelTrack], classes: Sequence[str]) -> list[str]:
    """Counts of samples by recording and by class, and of what did not fit.

    Labelled clips, which may be of as many recordings, are counted together.
    """
    samples = "clips" if any(track.ends is not None for track in tracks) else "moments"
    lines = []
    for track in tracks:
        if track.ends is None:
            note = _notes(
                track.unlabelled, track.out_of_range, track.conflicting, track.is_multi_label
            )
            lines.append(f"{track.recording.path}: {track.labelled} labelled {samples}{note}")
    labelled = sum(track.labelled for track in tracks)
    unlabelled = sum(track.unlabelled for track in tracks) if samples == "clips" else 0
    many = any(track.is_multi_label for track in tracks)
    shares = _positive_shares(tracks, classes) if many else _class_shares(tracks, classes)
    lines.append(
        f"{labelled:,} labelled {samples} of {len(tracks)} recordings{_notes(unlabelled)}: {shares}"
    )
    return lines


def _notes(unlabelled: int, surplus: int = 0, disputed: int = 0, many: bool = False) -> str:
    counts = {
        "without label": unlabelled,
        "labels behind its end": surplus,
        "labels in dispute" if many else "with more than one": disputed,
    }
    extra = [f"{count} {what}" for what, count in counts.items() if count]
    return f" ({', '.join(extra)})" if extra else ""


def _class_shares(tracks: Sequence[LabelTrack], classes: Sequence[str]) -> str:
    counts = np.zeros(len(classes), dtype=np.int64)
    for track in tracks:
        counts += np.bincount(track.labels[track.known], minlength=len(classes))
    shares = counts / max(int(counts.sum()), 1)
    return ", ".join(f"{name} {share:.0%}" for name, share in zip(classes, shares, strict=True))


def _positive_shares(tracks: Sequence[LabelTrack], classes: Sequence[str]) -> str:
    """Of each class, the share of positives among what is known."""
    labels = np.concatenate([track.labels for track in tracks])
    known, positive = (labels != MISSING).sum(axis=0), (labels == 1).sum(axis=0)
    shares = [
        f"{name} {positive[i] / known[i]:.1%}" if known[i] else f"{name} not known"
        for i, name in enumerate(classes)
    ]
    unknown = f"{labels.size - int(known.sum()):,} of {labels.size:,} labels are not known"
    return f"{', '.join(shares)}; {unknown}"
