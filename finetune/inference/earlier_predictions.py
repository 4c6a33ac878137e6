"""A part that a run evaluates again: the earlier predictions are kept, and evaluations counted."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from finetune.evaluation.predictions import (
    EVALUATIONS,
    Predictions,
    PredictionsError,
    load_predictions,
)

IRRELEVANT = (EVALUATIONS, "run")  # in `about`: a run folder may have been moved
SAME_SCORE = 1e-3  # the difference that another device makes


class Evaluation(NamedTuple):
    """One of a part by its run."""

    number: int  # from 1
    earlier_step: Any = None  # of the evaluation before
    kept: Path | None = None  # the predictions of the evaluation before


def count_evaluation(file: Path, predictions: Predictions) -> Evaluation:
    """The number of this evaluation, of which `file` will have the predictions.

    Those that it has now are copied to `NAME_1.npz`, `NAME_2.npz`, by their number. The same
    predictions are the same evaluation: a run that is started again repeats it.
    """
    if not file.is_file():
        return Evaluation(1)
    try:
        earlier = load_predictions(file)
        count, step = earlier.evaluations, earlier.metadata.get("step")
        if _are_same(earlier, predictions):
            return Evaluation(count)
    except PredictionsError:  # damaged
        count, step = len(list(file.parent.glob(f"{file.stem}_*.npz"))) + 1, "unknown"
    kept = file.with_stem(f"{file.stem}_{count}")
    draft = kept.with_name(kept.name + ".tmp")
    shutil.copyfile(file, draft)
    draft.replace(kept)
    return Evaluation(count + 1, step, kept)


def _are_same(earlier: Predictions, now: Predictions) -> bool:
    ours, theirs = (
        {name: value for name, value in each.metadata.items() if name not in IRRELEVANT}
        for each in (now, earlier)
    )
    arrays = ("recording", "time", "label")
    return (
        ours == theirs
        and earlier.classes == now.classes
        and all(
            np.array_equal(getattr(earlier, name), getattr(now, name), equal_nan=name == "time")
            for name in arrays
        )
        and np.allclose(earlier.scores, now.scores, rtol=0, atol=SAME_SCORE)
    )
