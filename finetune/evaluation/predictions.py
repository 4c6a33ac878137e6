"""A file of predictions, from which every metric can be computed again."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int64

from finetune.evaluation.array_archive import ArchiveError, ArrayRule, Shape, read_arrays
from finetune.evaluation.display_name import display_name
from launch.json_text import json_text
from video.labels.segments import MISSING

EVALUATIONS = "evaluations"  # in `about`: how often its run has evaluated the part
NUMBERS = "fiu"
FIELDS = {
    "recording": ArrayRule("U", (1,)),
    "time": ArrayRule(NUMBERS, (1,), np.float64),
    "scores": ArrayRule(NUMBERS, (2,), np.float32),
    "label": ArrayRule("iub", (1, 2), np.int64),
    "classes": ArrayRule("U", (1,)),
    "about": ArrayRule("U", (0,)),
}
MAX_ROWS, MAX_CLASSES = 10**7, 10**5
MAX_SECONDS = 1e9  # of a time


class PredictionsError(ValueError):
    """A file of predictions is damaged, or does not fit the request."""

    exit_status = 2
    on_every_process = True


class Predictions(NamedTuple):
    """One row per sample: a clip, or a timestamp of a recording."""

    recording: np.ndarray  # [n] names
    time: Float[np.ndarray, " n"]  # seconds since the start of the recording; NaN for a whole clip
    scores: Float32[np.ndarray, "n c"]  # probabilities
    label: Int64[np.ndarray, "n ..."]  # class, or 0 and 1 for each class; -1: not known
    classes: tuple[str, ...]
    metadata: dict[str, Any]  # checkpoint, split, views, and other settings

    @property
    def is_multi_label(self) -> bool:
        """Whether a sample may have several classes."""
        return self.label.ndim == 2

    @property
    def has_times(self) -> bool:
        """Whether samples are timestamps of recordings, and not clips."""
        return self.metadata.get("samples") != "clips" and bool(np.isfinite(self.time).all())

    @property
    def evaluations(self) -> int:
        """How often the run of this model has evaluated this part; 1 where `about` does not say."""
        count = self.metadata.get(EVALUATIONS, 1)
        return count if type(count) is int and count > 0 else 1

    @property
    def recording_names(self) -> list[str]:
        """Each once, in the order of the rows."""
        return list(dict.fromkeys(self.recording.tolist()))

    def by_recording(self) -> "dict[str, Predictions]":
        """The rows of every recording, by time; recordings in the order of the rows."""
        names, first, owner = np.unique(self.recording, return_index=True, return_inverse=True)
        rows = np.lexsort((self.time, owner))
        parts = np.split(rows, np.cumsum(np.bincount(owner))[:-1])
        return {str(names[i]): self._take(parts[i]) for i in np.argsort(first)}

    def of_recording(self, recording: str) -> "Predictions":
        """The rows of one recording, by time."""
        rows = np.flatnonzero(self.recording == recording)
        return self._take(rows[np.argsort(self.time[rows], kind="stable")])

    def _take(self, rows: Int64[np.ndarray, " m"]) -> "Predictions":
        return self._replace(
            recording=self.recording[rows],
            time=self.time[rows],
            scores=self.scores[rows],
            label=self.label[rows],
        )


def save_predictions(path: Path, predictions: Predictions) -> None:
    """Writes an `.npz` without pickled objects, atomically."""
    check_predictions(predictions, path)
    temporary = path.with_name(path.name + ".tmp.npz")
    np.savez_compressed(
        temporary,
        recording=np.asarray(predictions.recording, dtype=np.str_),
        time=np.asarray(predictions.time, dtype=np.float64),
        scores=np.asarray(predictions.scores, dtype=np.float32),
        label=np.asarray(predictions.label, dtype=np.int64),
        classes=np.asarray(predictions.classes, dtype=np.str_),
        about=np.asarray(json_text(predictions.metadata)),
    )
    temporary.replace(path)


def load_predictions(path: Path) -> Predictions:
    """Raises PredictionsError where the file is damaged, too large, or inconsistent."""
    if path.is_dir():
        made = [
            each for part in ("test", "val") if (each := path / f"predictions_{part}.npz").exists()
        ]
        raise PredictionsError(
            f"{path}: is a folder; give {made[0]}"
            if made
            else f"{path}: is a folder without predictions; give a file predictions_test.npz"
        )
    try:
        arrays = read_arrays(path, FIELDS, lambda shapes: _check_shapes(shapes, path))
    except ArchiveError as error:
        raise PredictionsError(
            f"{path}: cannot be read as predictions ({error}); a file of predictions has "
            f"{', '.join(FIELDS)}"
        ) from None
    metadata = _parse_metadata(str(arrays["about"]), path)
    predictions = Predictions(
        arrays["recording"],
        arrays["time"],
        arrays["scores"],
        arrays["label"],
        tuple(map(str, arrays["classes"].tolist())),
        metadata,
    )
    check_predictions(predictions, path)
    return predictions


def join_predictions(parts: Sequence[tuple[Path, Predictions]]) -> Predictions:
    """Joins several files, such as the folds of a cross-validation.

    Their classes may be in another order. Raises PredictionsError where the classes differ, or
    where two files have the same recording.
    """
    (first, start), *others = parts
    owner = dict.fromkeys(start.recording.tolist(), first)
    for path, more in others:
        same = set(more.classes) == set(start.classes)
        if not same or more.is_multi_label != start.is_multi_label:
            raise PredictionsError(
                f"{path}: has the classes {_class_text(more)}, {first} has {_class_text(start)}; "
                "evaluate files of one label set together"
            )
        for name in dict.fromkeys(more.recording.tolist()):
            if name in owner:
                shown = display_name(name)
                raise PredictionsError(
                    f"{path}: {shown} is in {owner[name]} too; give each recording once"
                )
            owner[name] = path
    if not others:
        return start
    metadata: dict[str, Any] = {"files": {str(path): each.metadata for path, each in parts}}
    metadata["unreadable"] = sum(int(each.metadata.get("unreadable", 0)) for _, each in parts)
    if len(samples := {each.metadata.get("samples") for _, each in parts}) == 1:
        metadata["samples"] = samples.pop()
    aligned = [_reorder_classes(each, start.classes) for _, each in parts]
    recording, time, scores, label = (
        np.concatenate([each[field] for each in aligned]) for field in range(4)
    )
    return Predictions(recording, time, scores, label, start.classes, metadata)


def _reorder_classes(predictions: Predictions, classes: tuple[str, ...]) -> Predictions:
    order = [predictions.classes.index(name) for name in classes]
    if predictions.is_multi_label:
        label = predictions.label[:, order]
    else:
        index = np.append(np.argsort(order), MISSING)  # the last: -1 stays -1
        label = index[predictions.label]
    return predictions._replace(scores=predictions.scores[:, order], label=label, classes=classes)


def _class_text(predictions: Predictions) -> str:
    task = ", multi-label" if predictions.is_multi_label else ""
    names = ", ".join(map(display_name, predictions.classes[:4]))
    return f"{names} .. ({len(predictions.classes)}{task})"


def check_predictions(predictions: Predictions, path: Path) -> None:
    """Raises PredictionsError with the field, and the first row, that is invalid."""
    rows, classes = len(predictions.recording), len(predictions.classes)
    fields = {name: np.shape(getattr(predictions, name)) for name in FIELDS if name != "about"}
    _check_shapes(fields, path)
    if len(set(predictions.classes)) < classes:
        raise PredictionsError(f"{path}: classes: a name occurs twice")
    far = np.abs(predictions.time) > MAX_SECONDS
    _require(~far, path, "time", f"not a time of a recording, in seconds up to {MAX_SECONDS:.0e}")
    _require(np.isfinite(predictions.scores).all(axis=1), path, "scores", "not finite")
    most = 1 if predictions.is_multi_label else classes - 1
    known = np.isin(predictions.label, np.arange(MISSING, most + 1)).reshape(rows, -1)
    _require(np.asarray(known.all(axis=1)), path, "label", f"not within -1 to {most}")


def _check_shapes(shapes: Mapping[str, Shape], path: Path) -> None:
    """Before the arrays are read. Raises PredictionsError with the field."""
    (rows,), (classes,) = shapes["recording"], shapes["classes"]
    if not rows:
        raise PredictionsError(f"{path}: has no rows; the predicted split is empty")
    for limit, found, what in ((MAX_ROWS, rows, "rows"), (MAX_CLASSES, classes, "classes")):
        if found > limit:
            raise PredictionsError(f"{path}: has {found:,} {what}; at most {limit:,} are read")
    needed: dict[str, tuple[Shape, ...]] = {
        "time": ((rows,),),
        "scores": ((rows, classes),),
        "label": ((rows,), (rows, classes)),
    }
    for field, admitted in needed.items():
        if shapes[field] not in admitted:
            raise PredictionsError(
                f"{path}: {field} has shape {shapes[field]}; {rows} rows of {classes} classes need "
                f"{' or '.join(map(str, admitted))}"
            )


def _parse_metadata(text: str, path: Path) -> dict[str, Any]:
    """The settings in `about`, of which the known ones have the right types."""
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise PredictionsError(f"{path}: about is not JSON ({reason})") from None
    if not isinstance(metadata, dict):
        raise PredictionsError(f"{path}: about must be a mapping of settings, not {text[:60]!r}")
    unreadable, samples = metadata.get("unreadable", 0), metadata.get("samples", "")
    if type(unreadable) is not int or unreadable < 0:
        raise PredictionsError(f"{path}: about: unreadable is {unreadable!r:.60}, not a count")
    if not isinstance(samples, str):
        raise PredictionsError(f"{path}: about: samples is {samples!r:.60}, not a word")
    return metadata


def _require(valid: np.ndarray, path: Path, field: str, problem: str) -> None:
    if not valid.all():
        row = int(np.argmin(valid))
        raise PredictionsError(
            f"{path}: {field} of row {row} is {problem} ({int((~valid).sum())} such rows); "
            "write the predictions again"
        )
