"""Average precision of action triplets and their components, by recording.

CholecT50's evaluation (Nwoye and Padoy, arXiv 2204.05235): the score of a component, such as an
instrument, is the maximum over the triplets with it; the average precision of a class is the mean
over the recordings in which it occurs, and mAP the mean over classes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64

from finetune.evaluation.predictions import PredictionsError

COMPONENTS = ("i", "v", "t", "iv", "it")  # instrument, verb, target, pairs with the instrument
TRIPLET = "ivt"
Recording = tuple[Float[np.ndarray, "_ k"], Int64[np.ndarray, "_ k"]]
"""Scores and labels (0 and 1) of all triplets at the timestamps of a recording."""


def read_components(path: Path, classes: Sequence[str]) -> dict[str, list[int]]:
    """By kind of component the component of each triplet, from CholecT50's `label_mapping.txt`.

    Raises PredictionsError with file and line where the table does not fit, or not `classes`.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PredictionsError(f"{path}: cannot be read ({error})") from None
    kinds = [word.strip().lower() for word in lines[0].lstrip("# ").split(",")] if lines else []
    if set(kinds) != {TRIPLET, *COMPONENTS}:
        expected = ", ".join((TRIPLET, *COMPONENTS))
        raise PredictionsError(f"{path}:1: has the columns {kinds}; expected are {expected}")
    table: dict[str, list[int]] = {kind: [] for kind in kinds}
    for number, line in enumerate(lines[1:], start=2):
        row = [word.strip() for word in line.split(",")]
        if len(row) != len(kinds) or not all(word.isdecimal() for word in row):
            raise PredictionsError(f"{path}:{number}: {line!r} is not {len(kinds)} numbers")
        for kind, word in zip(kinds, row, strict=True):
            table[kind].append(int(word))
    triplets = table.pop(TRIPLET)
    if triplets != list(range(len(classes))):
        raise PredictionsError(
            f"{path}: has {len(triplets)} triplets, the predictions have {len(classes)} classes"
        )
    return table


def average_precision(scores: Float[np.ndarray, " n"], labels: Int64[np.ndarray, " n"]) -> float:
    """The sum over thresholds of precision times the increase of recall; NaN without a positive.

    Equal scores are one threshold."""
    positives = int(labels.sum())
    if not positives:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    true_positives = np.cumsum(labels[order])
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    precision, recall = true_positives[ends] / (ends + 1), true_positives[ends] / positives
    return float((precision * np.diff(recall, prepend=0.0)).sum())


def component_values(
    values: Float[np.ndarray, "n k"] | Int64[np.ndarray, "n k"], component: Sequence[int]
) -> np.ndarray:
    """The maximum over the triplets with each component; `component`: that of each triplet."""
    maxima = np.zeros((len(values), max(component) + 1), dtype=values.dtype)
    for triplet, index in enumerate(component):
        maxima[:, index] = np.maximum(maxima[:, index], values[:, triplet])
    return maxima


def triplet_precisions(
    recordings: Sequence[Recording],
    components: Mapping[str, Sequence[int]],
    null: Sequence[int] = (),
) -> dict[str, Float[np.ndarray, " _"]]:
    """By kind the average precision of each class, NaN where no recording has it.

    `null`: null classes, which are left out of the triplets, but not of the components.
    """
    valid = [i for i in range(recordings[0][0].shape[1]) if i not in set(null)]
    precisions = {TRIPLET: _mean([_by_class(s[:, valid], y[:, valid]) for s, y in recordings])}
    for name in COMPONENTS:
        index = components[name]
        values = [(component_values(s, index), component_values(y, index)) for s, y in recordings]
        precisions[name] = _mean([_by_class(s, y) for s, y in values])
    return precisions


def _by_class(scores: np.ndarray, labels: np.ndarray) -> Float[np.ndarray, " c"]:
    columns = range(scores.shape[1])
    return np.array([average_precision(scores[:, i], labels[:, i]) for i in columns])


def _mean(by_recording: Sequence[Float[np.ndarray, " c"]]) -> Float[np.ndarray, " c"]:
    """Over the recordings that have the class."""
    table = np.stack(by_recording)
    present = np.isfinite(table)
    totals, counts = np.where(present, table, 0.0).sum(0), present.sum(0)
    return np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)
