"""Predictions as a file from which every figure can be computed again."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int64

from video.labels.segments import MISSING

FIELDS = ("recording", "time", "scores", "label", "classes", "about")


class PredictionsError(ValueError):
    """A file of predictions, or what is asked of it, cannot be used."""

    exit_status = 2
    on_every_process = True


class Predictions(NamedTuple):
    """One row a sample: a clip, or a moment of a recording."""

    recording: np.ndarray  # [n] texts
    time: Float[np.ndarray, " n"]  # seconds from the recording's time 0; NaN for a whole clip
    scores: Float32[np.ndarray, "n c"]  # probabilities
    label: Int64[np.ndarray, "n ..."]  # class, or 0 and 1 for each class; -1: not known
    classes: tuple[str, ...]
    metadata: dict[str, Any]  # checkpoint, split, views, and what else the figures depend on

    @property
    def is_multi_label(self) -> bool:
        """Whether a sample may have several classes."""
        return self.label.ndim == 2

    def of_recording(self, recording: str) -> "Predictions":
        """The rows of one recording, by time."""
        rows = np.flatnonzero(self.recording == recording)
        rows = rows[np.argsort(self.time[rows], kind="stable")]
        return self._replace(
            recording=self.recording[rows],
            time=self.time[rows],
            scores=self.scores[rows],
            label=self.label[rows],
        )


def save_predictions(path: Path, predictions: Predictions) -> None:
    """Writes an `.npz` that needs no unpickling; whole or absent."""
    check_predictions(predictions, path)
    aside = path.with_name(path.name + ".tmp.npz")
    np.savez_compressed(
        aside,
        recording=np.asarray(predictions.recording, dtype=np.str_),
        time=np.asarray(predictions.time, dtype=np.float64),
        scores=np.asarray(predictions.scores, dtype=np.float32),
        label=np.asarray(predictions.label, dtype=np.int64),
        classes=np.asarray(predictions.classes, dtype=np.str_),
        about=np.asarray(json.dumps(predictions.metadata)),
    )
    aside.replace(path)


def load_predictions(path: Path) -> Predictions:
    """Raises PredictionsError where the file is not whole, or its rows contradict each other."""
    try:
        with np.load(path, allow_pickle=False) as held:
            missing = [field for field in FIELDS if field not in held.files]
            if missing:
                raise PredictionsError(
                    f"{path}: has no {', '.join(missing)}; a file of predictions has "
                    f"{', '.join(FIELDS)}"
                )
            arrays = {field: held[field] for field in FIELDS}
        about = json.loads(str(arrays["about"]))
    except PredictionsError:
        raise
    except (OSError, ValueError, EOFError, KeyError) as error:
        reason = " ".join(str(error).split())[:120]
        raise PredictionsError(f"{path}: cannot be read as predictions ({reason})") from None
    except Exception as error:  # a damaged archive can make its reader fail anyhow
        raise PredictionsError(f"{path}: is not whole ({type(error).__name__})") from None
    predictions = Predictions(
        arrays["recording"],
        arrays["time"],
        arrays["scores"],
        arrays["label"],
        tuple(map(str, arrays["classes"].tolist())),
        about,
    )
    check_predictions(predictions, path)
    return predictions


def join_predictions(parts: Sequence[tuple[Path, Predictions]]) -> Predictions:
    """Those of several files as one, as of the folds of a cross-validation.

    Their classes may stand in another order. Raises PredictionsError where they are others, or
    where two files hold the same recording.
    """
    (first, start), *others = parts
    owner = dict.fromkeys(start.recording.tolist(), first)
    for path, more in others:
        same = set(more.classes) == set(start.classes)
        if not same or more.is_multi_label != start.is_multi_label:
            raise PredictionsError(
                f"{path}: is of the classes {_shown(more)}, {first} of {_shown(start)}; "
                "score files of one label set together"
            )
        for name in dict.fromkeys(more.recording.tolist()):
            if name in owner:
                raise PredictionsError(
                    f"{path}: {name} is in {owner[name]} as well; a recording counts once"
                )
            owner[name] = path
    if not others:
        return start
    about: dict[str, Any] = {"files": {str(path): each.metadata for path, each in parts}}
    about["unreadable"] = sum(int(each.metadata.get("unreadable", 0)) for _, each in parts)
    if len(samples := {each.metadata.get("samples") for _, each in parts}) == 1:
        about["samples"] = samples.pop()
    alike = [_in_order(each, start.classes) for _, each in parts]
    recording, time, scores, label = (
        np.concatenate([each[field] for each in alike]) for field in range(4)
    )
    return Predictions(recording, time, scores, label, start.classes, about)


def _in_order(predictions: Predictions, classes: tuple[str, ...]) -> Predictions:
    """The same with its classes in another order."""
    order = [predictions.classes.index(name) for name in classes]
    if predictions.is_multi_label:
        label = predictions.label[:, order]
    else:
        place = np.append(np.argsort(order), MISSING)  # the last, -1, stays what it is
        label = place[predictions.label]
    return predictions._replace(scores=predictions.scores[:, order], label=label, classes=classes)


def _shown(predictions: Predictions) -> str:
    many = ", several a sample" if predictions.is_multi_label else ""
    return f"{', '.join(predictions.classes[:4])} .. ({len(predictions.classes)}{many})"


def check_predictions(predictions: Predictions, path: Path) -> None:
    """Raises PredictionsError that names the field, and the first row, that cannot be right."""
    rows, classes = len(predictions.recording), len(predictions.classes)
    for field, shape in (("time", (rows,)), ("scores", (rows, classes))):
        found = getattr(predictions, field).shape
        if found != shape:
            raise PredictionsError(
                f"{path}: {field} has shape {found}, {rows} rows of {classes} classes want {shape}"
            )
    if not rows:
        raise PredictionsError(f"{path}: has no rows; the split that was predicted is empty")
    if len(set(predictions.classes)) < classes:
        raise PredictionsError(f"{path}: classes: a name stands twice")
    if predictions.label.shape not in ((rows,), (rows, classes)):
        raise PredictionsError(f"{path}: label has shape {predictions.label.shape}, of {rows} rows")
    _require(np.isfinite(predictions.scores).all(axis=1), path, "scores", "not finite")
    most = 1 if predictions.is_multi_label else classes - 1
    known = np.isin(predictions.label, np.arange(MISSING, most + 1)).reshape(rows, -1)
    _require(np.asarray(known.all(axis=1)), path, "label", f"not within -1 to {most}")


def _require(good: np.ndarray, path: Path, field: str, what: str) -> None:
    if not good.all():
        row = int(np.argmin(good))
        raise PredictionsError(
            f"{path}: {field} of row {row} is {what} ({int((~good).sum())} such rows); "
            "write the predictions again"
        )
