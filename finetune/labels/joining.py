"""Labels joined to recordings by time: each moment gets the label that holds then, or none."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from finetune.labels.marks import LabelError, Mark
from finetune.predictions import MISSING
from video.listing import SUFFIXES
from video.recording import Recording

SURPLUS_SECONDS = 2.0  # that labels may go on after the last frame, as re-encoded files do
ROUNDING = 1e-3  # seconds, of times written with three digits


class Track(NamedTuple):
    """The labels of one recording at its moments, and what did not fit."""

    recording: Recording
    times: Float[np.ndarray, " n"]  # seconds, ascending
    labels: Int64[np.ndarray, " n"]  # classes; -1 where none holds
    surplus: int  # marks behind the recording's end
    disputed: int  # moments at which marks disagree, which have no label here

    @property
    def labelled(self) -> int:
        return int((self.labels != MISSING).sum())

    @property
    def unlabelled(self) -> int:
        return len(self.labels) - self.labelled


def moments(recording: Recording, rate: float) -> Float[np.ndarray, " n"]:
    """Times at `rate` a second from 0, at which the recording has a frame to show.

    A folder of sparse pictures has those of its frames only; there are none in a hole.
    """
    count = max(1, int(np.floor(recording.seconds * rate + ROUNDING)))
    times = np.arange(count) / rate
    for begin, end in recording.holes:
        times = times[(times < begin - ROUNDING) | (times >= end - ROUNDING)]
    return times


def label_origin(recording: Recording) -> float:
    """The second of the labels at which a recording's time 0 lies.

    Labels of a video count from its first frame. Those of a folder of pictures count as its
    pictures are numbered, so also in what was prepared from one.
    """
    if recording.reader == "frames":
        return recording.first
    of_folder = recording.original and Path(recording.original).suffix.lower() not in SUFFIXES
    return (recording.original_first or 0.0) if of_folder else 0.0


def join(
    recording: Recording, times: Float[np.ndarray, " n"], marks: Sequence[Mark],
    classes: Sequence[str], source: str,
) -> Track:  # fmt: skip
    """`source`: the file of the marks, for errors.

    Raises LabelError where a label is none of `classes`, or marks go on long after the recording.
    """
    origin = label_origin(recording)
    index = {name: i for i, name in enumerate(classes)}
    labels = np.full(len(times), MISSING, dtype=np.int64)
    disputed = np.zeros(len(times), dtype=bool)
    surplus = 0
    for mark in marks:
        where = f"{source}:{mark.line}" if mark.line else source
        if mark.label not in index:
            near = get_close_matches(mark.label, classes, n=1)
            raise LabelError(
                f"{where}: {mark.label!r} is none of the {len(classes)} classes"
                + (f"; nearest: {near[0]!r}" if near else "")
            )
        begin, end = mark.begin - origin, mark.end - origin
        if begin >= recording.seconds or end <= 0:
            surplus += 1
            if begin > recording.seconds + SURPLUS_SECONDS:
                raise LabelError(
                    f"{where}: a label at {mark.begin:g} s, {recording.path} ends at "
                    f"{origin + recording.seconds:g} s; are these the labels of another recording, "
                    "or of another rate (label_fps)?"
                )
        first, last = np.searchsorted(times, (begin - ROUNDING, end - ROUNDING))
        inside = slice(int(first), int(last))
        other = (labels[inside] != MISSING) & (labels[inside] != index[mark.label])
        disputed[inside] |= other
        labels[inside] = index[mark.label]
    labels[disputed] = MISSING
    return Track(recording, times, labels, surplus, int(disputed.sum()))


def classes_of(files: Sequence[Sequence[Mark]]) -> tuple[str, ...]:
    """The names in order of their first mark in time, recording by recording."""
    names: dict[str, None] = {}
    for marks in files:
        names |= dict.fromkeys(mark.label for mark in sorted(marks, key=lambda mark: mark.begin))
    return tuple(names)


def report(tracks: Sequence[Track], classes: Sequence[str]) -> list[str]:
    """Counts of moments by recording and by class, and of what did not fit."""
    lines = []
    for track in tracks:
        extra = [f"{track.unlabelled} without label"] if track.unlabelled else []
        extra += [f"{track.surplus} labels behind its end"] if track.surplus else []
        extra += [f"{track.disputed} with more than one"] if track.disputed else []
        note = f" ({', '.join(extra)})" if extra else ""
        lines.append(f"{track.recording.path}: {track.labelled} labelled moments{note}")
    counts = sum(
        (np.bincount(t.labels[t.labels >= 0], minlength=len(classes)) for t in tracks),
        start=np.zeros(len(classes), dtype=np.int64),
    )
    total = max(int(counts.sum()), 1)
    shares = (f"{name} {count / total:.0%}" for name, count in zip(classes, counts, strict=True))
    lines.append(f"{total:,} labelled moments of {len(tracks)} recordings: {', '.join(shares)}")
    return lines
