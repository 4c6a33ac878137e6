"""A few labelled samples of each class to train on, and the list of them, so that it stays.

The list is CSV: `recording` (absolute path), `time`, `until` (empty for moments) and `label`.
"""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from finetune.data.labelled_set import LabelledSet
from launch.atomic_io import fsync_folder, write_atomic
from video.labels.align import LabelTrack
from video.labels.csv_rows import CsvRow, parse_seconds, read_header, read_label_text, read_rows
from video.labels.segments import MISSING, LabelError

COLUMNS = ["recording", "time", "until", "label"]
Sample = tuple[str, float, float | None]  # real path of the recording, time, until


def choose_few_shot(labelled: LabelledSet, per_class: int, rng: np.random.Generator) -> LabelledSet:
    """Keeps `per_class` labels of each class in `train`; all others there become -1.

    Samples of a class are drawn from its recordings in turn, in random order, so that they are of
    as many as can be. Raises LabelError where a class has fewer.
    """
    tracks = _tracks_of_train(labelled)
    if per_class < 1:
        raise LabelError(f"per_class: is {per_class}; give 1 or more samples of each class")
    labels = np.concatenate([track.labels for track in tracks])
    lengths = [len(track.labels) for track in tracks]
    recording = np.repeat(np.arange(len(tracks)), lengths)
    kept = np.full_like(labels, MISSING)
    for label, name in enumerate(labelled.classes):
        samples = rng.permutation(np.flatnonzero(labels == label))
        if len(samples) < per_class:
            raise LabelError(
                f"per_class: {name!r} has {len(samples)} labelled samples in train, {per_class} of "
                "each class are wanted; give fewer, or leave the class out"
            )
        order = rng.permutation(len(tracks))[recording[samples]]
        turns = np.lexsort((order, _before(recording[samples])))
        kept[samples[turns[:per_class]]] = label
    return _with_labels(labelled, np.split(kept, np.cumsum(lengths)[:-1]))


def _before(groups: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """How many of its own group stand before each."""
    by_group = np.argsort(groups, kind="stable")
    _, first, sizes = np.unique(groups[by_group], return_index=True, return_counts=True)
    before = np.empty_like(groups)
    before[by_group] = np.arange(len(groups)) - np.repeat(first, sizes)
    return before


def save_few_shot(path: Path, labelled: LabelledSet) -> None:
    """Writes the labelled samples of `train`, once; the file is complete or absent.

    Raises LabelError where it is there already: a run that goes on loads it.
    """
    tracks = _tracks_of_train(labelled)
    if path.exists():
        raise LabelError(f"{path}: is there already; load it, or remove it to choose anew")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for track in tracks:
        for sample in np.flatnonzero(track.known).tolist():
            until = "" if track.ends is None else repr(float(track.ends[sample]))
            name = labelled.classes[int(track.labels[sample])]
            recording = str(Path(track.recording.path).absolute())
            writer.writerow([recording, repr(float(track.times[sample])), until, name])
    write_atomic(path, out.getvalue())
    fsync_folder(path.parent)


def load_few_shot(path: Path, labelled: LabelledSet) -> LabelledSet:
    """Keeps the labels in `train` that a list of `save_few` has; all others there become -1.

    Raises LabelError, with the line, where a row is not a sample of that set with that label, and
    where classes have not equally many rows.
    """
    tracks = _tracks_of_train(labelled)
    places = {key: at for number, track in enumerate(tracks) for key, at in _places(number, track)}
    kept = [np.full_like(track.labels, MISSING) for track in tracks]
    text = read_label_text(path)
    if read_header(path, text) != COLUMNS:
        raise LabelError(f"{path}:1: is not a list of samples; its columns are {','.join(COLUMNS)}")
    for row in read_rows(path, text):
        number, sample = places.get(_sample(row), (-1, -1))
        label = int(tracks[number].labels[sample]) if number >= 0 else MISSING
        if label == MISSING or labelled.classes[label] != row.cells["label"]:
            held = "no label" if label == MISSING else repr(labelled.classes[label])
            raise LabelError(
                f"{row.location}: {row.cells['label']!r} for {row.cells['recording']} at "
                f"{row.cells['time']} s, where the labels have {held}; remove the list to choose "
                "anew"
            )
        if kept[number][sample] != MISSING:
            raise LabelError(f"{row.location}: the same sample stands in another line too")
        kept[number][sample] = label
    _require_equally_many(path, labelled.classes, kept)
    return _with_labels(labelled, kept)


def _sample(row: CsvRow) -> Sample:
    time = parse_seconds(row.location, row.cells["time"])
    until = parse_seconds(row.location, row.cells["until"]) if row.cells["until"] else None
    return os.path.realpath(row.cells["recording"].replace("\0", "")), time, until


def _places(number: int, track: LabelTrack) -> Iterator[tuple[Sample, tuple[int, int]]]:
    path = os.path.realpath(track.recording.path)
    until = [None] * len(track.times) if track.ends is None else track.ends.tolist()
    for sample, time in enumerate(track.times.tolist()):
        yield (path, time, until[sample]), (number, sample)


def _require_equally_many(
    path: Path, classes: Sequence[str], kept: Sequence[Int64[np.ndarray, " _"]]
) -> None:
    labels = np.concatenate(kept)
    counts = np.bincount(labels[labels != MISSING], minlength=len(classes)).tolist()
    if not any(counts):
        raise LabelError(f"{path}: has no samples; remove it to choose anew")
    fewest, most = min(counts), max(counts)
    if fewest < most:
        raise LabelError(
            f"{path}: has {fewest} samples of {classes[counts.index(fewest)]!r} and {most} of "
            f"{classes[counts.index(most)]!r}; it is not whole, or of other classes"
        )


def _tracks_of_train(labelled: LabelledSet) -> list[LabelTrack]:
    if labelled.many_labels:
        raise LabelError("per_class: a few samples of each class want one label a sample")
    if not labelled.tracks.get("train"):
        raise LabelError("per_class: there is no train, of which samples would be chosen")
    return labelled.tracks["train"]


def _with_labels(labelled: LabelledSet, labels: Sequence[Int64[np.ndarray, " _"]]) -> LabelledSet:
    train = [
        track._replace(labels=kept)
        for track, kept in zip(labelled.tracks["train"], labels, strict=True)
    ]
    return labelled._replace(tracks={**labelled.tracks, "train": train})
