"""From a file of predictions to every metric, as text and as JSON."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from jaxtyping import Int64

from finetune.evaluation.bootstrap import Average
from finetune.evaluation.compute_metrics import MetricValues, compute_metrics, labelled_scores
from finetune.evaluation.display_name import display_name
from finetune.evaluation.metrics import METRICS
from finetune.evaluation.phase_metrics import (
    PHASE_MEASURES,
    TOLERANCES,
    Boundaries,
    PhaseScores,
)
from finetune.evaluation.plots import draw_confusion, draw_timeline
from finetune.evaluation.predictions import Predictions, PredictionsError
from finetune.evaluation.sample_metrics import CLASS_MEANS, confusion_matrix
from finetune.evaluation.triplet_metrics import read_components, triplet_precisions
from finetune.evaluation.video_averages import PhaseSummary, summarise_phases
from launch.json_text import json_text
from video.labels.segments import MISSING

MAX_NAMES = 4  # classes in a line


class Evaluation(NamedTuple):
    """All metrics of a file of predictions."""

    predictions: Predictions
    metrics: MetricValues
    confusion: Int64[np.ndarray, "c c"] | None  # rows: truth; None for multi-label predictions
    phases: dict[str, PhaseSummary]  # by boundaries; empty where samples are clips


def evaluate(predictions: Predictions, source: str, tolerances: str = "neighbours") -> Evaluation:
    """`tolerances`: what relaxed boundaries accept, a name in TOLERANCES.

    Raises PredictionsError where no sample has a label, or the truth has one class only."""
    known = predictions.label[predictions.label != MISSING]
    if not known.size:
        raise PredictionsError(f"{source}: no row has a label, so there is nothing to evaluate")
    if not predictions.is_multi_label and len(np.unique(known)) < 2:
        name = display_name(predictions.classes[int(known[0])])
        raise PredictionsError(
            f"{source}: all labels are {name!r}; metrics need at least two classes, predict "
            "recordings that have more"
        )
    phases, confusion = {}, None
    if not predictions.is_multi_label:
        confusion = confusion_matrix(labelled_scores(predictions))
        if predictions.has_times:
            phases = {
                form: summarise_phases(predictions, form, TOLERANCES[tolerances])
                for form in get_args(Boundaries)
            }
    return Evaluation(predictions, compute_metrics(predictions), confusion, phases)


def evaluation_lines(evaluation: Evaluation, source: str) -> Iterator[str]:
    """The evaluation as text."""
    predictions = evaluation.predictions
    unknown = int((predictions.label == MISSING).sum())
    count = len(predictions.recording_names)
    classes, present = predictions.classes, _classes_in_truth(predictions)
    yield (
        f"{source}: {len(predictions.recording):,} samples of {count} "
        f"recording{'s' * (count > 1)}, {len(classes)} classes, "
        f"{unknown:,} missing labels"
    )
    if len(present) < len(classes):
        absent = [name for name in classes if name not in present]
        more = f" and {len(absent) - MAX_NAMES} more" if len(absent) > MAX_NAMES else ""
        yield (
            f"  means over classes are of the {len(present)} that the truth has, without "
            f"{', '.join(absent[:MAX_NAMES])}{more}"
        )
    if predictions.evaluations > 1:
        part = predictions.metadata.get("part", "part")
        yield f"  evaluation {predictions.evaluations} of this {part} by its run"
    if unreadable := predictions.metadata.get("unreadable"):
        yield f"  unreadable: {unreadable}, with the same score for all classes"
    samples, recordings = _reported(evaluation.metrics)
    for is_baseline, title in ((False, "all samples"), (True, "baselines, without learning")):
        yield title
        for name, value in samples.items():
            if METRICS[name].is_baseline == is_baseline:
                yield f"  {name:<30}{value:.4f}"
    if recordings:
        form = "mean +- standard deviation [95 % bootstrap interval of the mean]"
        yield f"recordings: {form if count > 1 else 'one, so without a deviation or an interval'}"
        for name, average in recordings.items():
            yield f"  {name:<30}{_text(average)}"
    for form, summary in evaluation.phases.items():
        yield f"recordings, phases with {form} boundaries"
        yield f"  {'accuracy':<30}{_text(summary.accuracy)}"
        for order in ("recordings_first", "phases_first"):
            for measure, average in getattr(summary, order).items():
                yield f"  {measure + ', ' + order.replace('_', ' '):<30}{_text(average)}"
    if "strict" in evaluation.phases:
        yield from _phase_table(predictions.classes, evaluation.phases["strict"])


def _classes_in_truth(predictions: Predictions) -> list[str]:
    present = labelled_scores(predictions).present
    return [name for name, is_there in zip(predictions.classes, present, strict=True) if is_there]


def _reported(metrics: MetricValues) -> MetricValues:
    """Those that text and JSON have."""
    return MetricValues(
        {name: value for name, value in metrics.samples.items() if METRICS[name].in_report},
        {name: value for name, value in metrics.recordings.items() if METRICS[name].in_report},
    )


def _text(average: Average) -> str:
    if math.isnan(average.low):  # of one recording
        return f"{average.value:.4f}"
    deviation = "" if math.isnan(average.deviation) else f" +- {average.deviation:.4f}"
    return f"{average.value:.4f}{deviation:<10} [{average.low:.4f}, {average.high:.4f}]"


def _phase_table(classes: tuple[str, ...], summary: PhaseSummary) -> Iterator[str]:
    header = "".join(f"{measure:>11}" for measure in PHASE_MEASURES)
    yield f"{'phases, strict boundaries':<32}{header}"
    for i, name in enumerate(classes):
        values = (summary.per_phase[measure][i] for measure in PHASE_MEASURES)
        cells = "".join(f"{'-' if math.isnan(v) else format(v, '.4f'):>11}" for v in values)
        yield f"  {display_name(name):<30}{cells}"


def triplet_lines(predictions: Predictions, mapping: Path, source: str) -> Iterator[str]:
    """Average precision of action triplets and their components, mean over recordings and classes.

    Raises PredictionsError where the predictions are not of triplets.
    """
    if not predictions.is_multi_label:
        raise PredictionsError(f"{source}: is single-label; triplets need multi-label predictions")
    components = read_components(mapping, predictions.classes)
    recordings = []
    for rows in predictions.by_recording().values():
        known = (rows.label != MISSING).all(axis=1)
        recordings.append((rows.scores[known], rows.label[known]))
    null = [i for i, name in enumerate(predictions.classes) if "null" in name.lower()]
    precisions = triplet_precisions(recordings, components)
    without = triplet_precisions(recordings, components, null)["ivt"]
    yield "action triplets: average precision, mean over recordings, then over classes"
    for name, values in {**precisions, "ivt without null": without}.items():
        present = values[np.isfinite(values)]
        mean = f"{present.mean():.4f}" if len(present) else "-"
        yield f"  AP {name:<18}{mean}  of {len(present)} classes that occur"


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """All metrics as plain values."""
    samples, recordings = _reported(evaluation.metrics)
    return {
        "about": evaluation.predictions.metadata,
        "classes": list(evaluation.predictions.classes),
        "classes_in_truth": _classes_in_truth(evaluation.predictions),
        "means_over_classes": CLASS_MEANS,
        "samples": samples,
        "recordings": _averages(recordings),
        "phases": {
            form: {
                "accuracy": summary.accuracy._asdict(),
                "recordings_first": _averages(summary.recordings_first),
                "phases_first": _averages(summary.phases_first),
                "per_phase": {k: v.tolist() for k, v in summary.per_phase.items()},
                "by_recording": {
                    name: _phase_scores(scores) for name, scores in summary.by_recording.items()
                },
            }
            for form, summary in evaluation.phases.items()
        },
    }


def _phase_scores(scores: PhaseScores) -> dict[str, Any]:
    arrays = {**scores.by_phase, "predicted": scores.predicted}
    return {"accuracy": scores.accuracy, **{k: v.tolist() for k, v in arrays.items()}}


def _averages(averages: dict[str, Average]) -> dict[str, Any]:
    return {name: average._asdict() for name, average in averages.items()}


def write_evaluation(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Writes `metrics.json` and the plots; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "metrics.json"]
    written[0].write_text(json_text(as_json(evaluation), indent=1) + "\n")
    predictions, confusion = evaluation.predictions, evaluation.confusion
    if confusion is not None:
        written.append(folder / "confusion.png")
        draw_confusion(written[-1], confusion, predictions.classes)
    if evaluation.phases:
        for name, rows in predictions.by_recording().items():
            written.append(_unused(folder / f"timeline_{_file_name(name)}.png", written))
            draw_timeline(written[-1], rows)
    return written


def _unused(path: Path, used: list[Path]) -> Path:
    """The path, numbered where two recordings have one name."""
    number, unused = 1, path
    while unused in used:
        number += 1
        unused = path.with_stem(f"{path.stem}_{number}")
    return unused


def _file_name(recording: str) -> str:
    return re.sub(r"[^\w.-]+", "_", Path(recording).stem)[:80] or "recording"
