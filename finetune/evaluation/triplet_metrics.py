"""Average precision of action triplets and of their parts, recording by recording.

CholecT50's evaluation (Nwoye and Padoy, arXiv 2204.05235): the score of a part, such as an
instrument, is the highest of the triplets that have it; the average precision of a class is the
mean over the recordings that have it, and mAP the mean over classes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64

from finetune.evaluation.predictions import PredictionsError

PARTS = ("i", "v", "t", "iv", "it")  # instrument, verb, target, and pairs with the instrument
WHOLE = "ivt"
Recording = tuple[Float[np.ndarray, "_ k"], Int64[np.ndarray, "_ k"]]
"""Scores and labels (0 and 1) of all triplets at the moments of a recording."""


def read_components(path: Path, classes: Sequence[str]) -> dict[str, list[int]]:
    """Which part of each kind each triplet has, of CholecT50's `label_mapping.txt`.

    Raises PredictionsError with file and line where it is another table, or not of `classes`.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PredictionsError(f"{path}: cannot be read ({error})") from None
    kinds = [word.strip().lower() for word in lines[0].lstrip("# ").split(",")] if lines else []
    if set(kinds) != {WHOLE, *PARTS}:
        raise PredictionsError(f"{path}:1: names {kinds}; wanted are {WHOLE}, {', '.join(PARTS)}")
    table: dict[str, list[int]] = {kind: [] for kind in kinds}
    for number, line in enumerate(lines[1:], start=2):
        row = [word.strip() for word in line.split(",")]
        if len(row) != len(kinds) or not all(word.isdecimal() for word in row):
            raise PredictionsError(f"{path}:{number}: {line!r} is not {len(kinds)} numbers")
        for kind, word in zip(kinds, row, strict=True):
            table[kind].append(int(word))
    whole = table.pop(WHOLE)
    if whole != list(range(len(classes))):
        raise PredictionsError(
            f"{path}: is of {len(whole)} triplets, the predictions of {len(classes)} classes"
        )
    return table


def average_precision(scores: Float[np.ndarray, " n"], labels: Int64[np.ndarray, " n"]) -> float:
    """The sum of precisions at each score, weighted by the recall that it adds; NaN without a
    positive. Equal scores are one step."""
    positives = int(labels.sum())
    if not positives:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(labels[order])
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    precision, recall = found[ends] / (ends + 1), found[ends] / positives
    return float((precision * np.diff(recall, prepend=0.0)).sum())


def parts_of(
    values: Float[np.ndarray, "n k"] | Int64[np.ndarray, "n k"], component: Sequence[int]
) -> np.ndarray:
    """Of each part the highest value of the triplets that have it; `component` names, for every
    triplet, its part."""
    parts = np.zeros((len(values), max(component) + 1), dtype=values.dtype)
    for triplet, part in enumerate(component):
        parts[:, part] = np.maximum(parts[:, part], values[:, triplet])
    return parts


def triplet_precisions(
    recordings: Sequence[Recording],
    components: Mapping[str, Sequence[int]],
    null: Sequence[int] = (),
) -> dict[str, Float[np.ndarray, " _"]]:
    """By component the average precision of each class, NaN where no recording has it.

    `null`: triplets without meaning, which are left out of the whole triplets alone.
    """
    kept = [i for i in range(recordings[0][0].shape[1]) if i not in set(null)]
    found = {WHOLE: _mean([_classes(s[:, kept], y[:, kept]) for s, y in recordings])}
    for name in PARTS:
        component = components[name]
        parts = [(parts_of(s, component), parts_of(y, component)) for s, y in recordings]
        found[name] = _mean([_classes(s, y) for s, y in parts])
    return found


def _classes(scores: np.ndarray, labels: np.ndarray) -> Float[np.ndarray, " c"]:
    columns = range(scores.shape[1])
    return np.array([average_precision(scores[:, i], labels[:, i]) for i in columns])


def _mean(by_recording: Sequence[Float[np.ndarray, " c"]]) -> Float[np.ndarray, " c"]:
    """Over the recordings that have the class."""
    table = np.stack(by_recording)
    there = np.isfinite(table)
    totals, counts = np.where(there, table, 0.0).sum(0), there.sum(0)
    return np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)
