"""Few-shot training sets: a few labelled samples of each class, and the file that lists them.

The file is CSV: `recording` (absolute path), `time`, `until` (empty for timestamps) and `label`.
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
    """Keeps `per_class` labels of each class in `train`; all others in `train` become -1.

    The samples of a class are drawn from its recordings in turn, in random order, so that they come
    from as many recordings as possible. Raises LabelError if a class has too few samples.
    """
    tracks = _tracks_of_train(labelled)
    if per_class < 1:
        raise LabelError(f"shots_per_class: is {per_class}; give 1 or more")
    labels = np.concatenate([track.labels for track in tracks])
    lengths = [len(track.labels) for track in tracks]
    recording = np.repeat(np.arange(len(tracks)), lengths)
    selected = np.full_like(labels, MISSING)
    for label, name in enumerate(labelled.classes):
        samples = rng.permutation(np.flatnonzero(labels == label))
        if len(samples) < per_class:
            raise LabelError(
                f"shots_per_class: {name!r} has only {len(samples)} labelled samples in train, not "
                f"{per_class}; lower shots_per_class, or remove the class"
            )
        order = rng.permutation(len(tracks))[recording[samples]]
        by_turn = np.lexsort((order, _rank_in_group(recording[samples])))
        selected[samples[by_turn[:per_class]]] = label
    return _with_labels(labelled, np.split(selected, np.cumsum(lengths)[:-1]))


def _rank_in_group(groups: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """For each element, the number of earlier elements of its group."""
    by_group = np.argsort(groups, kind="stable")
    _, first, sizes = np.unique(groups[by_group], return_index=True, return_counts=True)
    rank = np.empty_like(groups)
    rank[by_group] = np.arange(len(groups)) - np.repeat(first, sizes)
    return rank


def save_few_shot(path: Path, labelled: LabelledSet) -> None:
    """Writes the labelled samples of `train`; the file is complete or absent.

    Raises LabelError if the file exists: a resumed run loads it.
    """
    tracks = _tracks_of_train(labelled)
    if path.exists():
        raise LabelError(f"{path}: exists; load it, or remove it to choose new samples")
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
    """Keeps the labels in `train` that a file of `save_few_shot` lists; all others become -1.

    Raises LabelError with the line if a row is not a sample of this set with the same label, or if
    the classes do not have equally many rows.
    """
    tracks = _tracks_of_train(labelled)
    positions = {sample: at for i, track in enumerate(tracks) for sample, at in _samples(i, track)}
    selected = [np.full_like(track.labels, MISSING) for track in tracks]
    text = read_label_text(path)
    if read_header(path, text) != COLUMNS:
        raise LabelError(
            f"{path}:1: is not a list of samples, with the columns {','.join(COLUMNS)}"
        )
    for row in read_rows(path, text):
        track, sample = positions.get(_sample_of(row), (-1, -1))
        label = int(tracks[track].labels[sample]) if track >= 0 else MISSING
        if label == MISSING or labelled.classes[label] != row.cells["label"]:
            current = "no label" if label == MISSING else repr(labelled.classes[label])
            raise LabelError(
                f"{row.location}: {row.cells['label']!r} for {row.cells['recording']} at "
                f"{row.cells['time']} s, but the labels have {current}; remove the list to choose "
                "new samples"
            )
        if selected[track][sample] != MISSING:
            raise LabelError(f"{row.location}: lists a sample for the second time")
        selected[track][sample] = label
    _require_equal_counts(path, labelled.classes, selected)
    return _with_labels(labelled, selected)


def _sample_of(row: CsvRow) -> Sample:
    time = parse_seconds(row.location, row.cells["time"])
    until = parse_seconds(row.location, row.cells["until"]) if row.cells["until"] else None
    return os.path.realpath(row.cells["recording"].replace("\0", "")), time, until


def _samples(index: int, track: LabelTrack) -> Iterator[tuple[Sample, tuple[int, int]]]:
    """Each sample of a track, with the track's index and its own."""
    path = os.path.realpath(track.recording.path)
    until = [None] * len(track.times) if track.ends is None else track.ends.tolist()
    for sample, time in enumerate(track.times.tolist()):
        yield (path, time, until[sample]), (index, sample)


def _require_equal_counts(
    path: Path, classes: Sequence[str], selected: Sequence[Int64[np.ndarray, " _"]]
) -> None:
    labels = np.concatenate(selected)
    counts = np.bincount(labels[labels != MISSING], minlength=len(classes)).tolist()
    if not any(counts):
        raise LabelError(f"{path}: has no samples; remove it to choose new ones")
    fewest, most = min(counts), max(counts)
    if fewest < most:
        raise LabelError(
            f"{path}: has {fewest} samples of {classes[counts.index(fewest)]!r} and {most} of "
            f"{classes[counts.index(most)]!r}; it is incomplete, or lists other classes"
        )


def _tracks_of_train(labelled: LabelledSet) -> list[LabelTrack]:
    if labelled.is_multi_label:
        raise LabelError("shots_per_class: requires one label per sample; set multi_label to false")
    if not labelled.tracks.get("train"):
        raise LabelError("shots_per_class: the split has no train part; add one")
    return labelled.tracks["train"]


def _with_labels(labelled: LabelledSet, labels: Sequence[Int64[np.ndarray, " _"]]) -> LabelledSet:
    train = [
        track._replace(labels=selected)
        for track, selected in zip(labelled.tracks["train"], labels, strict=True)
    ]
    return labelled._replace(tracks={**labelled.tracks, "train": train})
