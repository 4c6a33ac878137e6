"""From a file of predictions to every figure, in lines for people and as JSON."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from finetune.evaluation.phase_metrics import TOLERANCES, Boundaries
from finetune.evaluation.plots import draw_confusion, draw_timeline
from finetune.evaluation.predictions import Predictions, PredictionsError
from finetune.evaluation.sample_metrics import SampleScores, score_samples
from finetune.evaluation.triplet_metrics import read_components, triplet_precisions
from finetune.evaluation.video_averages import MEASURES, Average, PhaseSummary, summarise_phases
from video.labels.segments import MISSING


class Evaluation(NamedTuple):
    """All figures of a file of predictions."""

    predictions: Predictions
    samples: SampleScores
    phases: dict[str, PhaseSummary]  # by boundaries; none where samples are clips


def evaluate(predictions: Predictions, source: str, tolerances: str = "neighbours") -> Evaluation:
    """`tolerances`: what relaxed boundaries forgive, a name in TOLERANCES.

    Raises PredictionsError where no sample has a label, or the truth has one class only."""
    known = predictions.label[predictions.label != MISSING]
    if not known.size:
        raise PredictionsError(f"{source}: no row has a label, so there is nothing to compare with")
    if not predictions.is_multi_label and len(np.unique(known)) < 2:
        name = predictions.classes[int(known[0])]
        raise PredictionsError(
            f"{source}: all labels are {name!r}; with one class every figure is 0 or 1, "
            "predict recordings that have more"
        )
    phases = {}
    are_moments = predictions.metadata.get("samples") != "clips"
    if are_moments and not predictions.is_multi_label and np.isfinite(predictions.time).all():
        phases = {
            form: summarise_phases(predictions, form, TOLERANCES[tolerances])
            for form in get_args(Boundaries)
        }
    return Evaluation(predictions, score_samples(predictions), phases)


def evaluation_lines(evaluation: Evaluation, source: str) -> Iterator[str]:
    """What a person reads."""
    predictions = evaluation.predictions
    recordings = len(set(predictions.recording.tolist()))
    unknown = int((predictions.label == MISSING).sum())
    yield (
        f"{source}: {len(predictions.recording):,} samples of {recordings} recordings, "
        f"{len(predictions.classes)} classes, {unknown:,} labels not known"
    )
    if unreadable := predictions.metadata.get("unreadable"):
        yield f"  {unreadable} of them could not be read, and have the same score for all classes"
    for name, value in evaluation.samples.figures.items():
        yield f"  {name:<22}{value:.4f}"
    for form, summary in evaluation.phases.items():
        yield f"{form} boundaries, mean over recordings +- deviation [95 % of resampled recordings]"
        yield f"  {'accuracy':<30}{_text(summary.accuracy)}"
        for order in ("recordings_first", "phases_first"):
            for measure, average in getattr(summary, order).items():
                yield f"  {measure + ', ' + order.replace('_', ' '):<30}{_text(average)}"
    if "strict" in evaluation.phases:
        yield from _per_phase(predictions.classes, evaluation.phases["strict"])


def triplet_lines(predictions: Predictions, mapping: Path, source: str) -> Iterator[str]:
    """Average precisions of action triplets and their parts, mean over recordings and classes.

    Raises PredictionsError where the predictions are not of triplets.
    """
    if not predictions.is_multi_label:
        raise PredictionsError(f"{source}: has one label a sample, and triplets want many")
    components = read_components(mapping, predictions.classes)
    parts = [
        predictions.of_recording(name) for name in dict.fromkeys(predictions.recording.tolist())
    ]
    known = [(rows.label != MISSING).all(axis=1) for rows in parts]
    rows = [(part.scores[good], part.label[good]) for part, good in zip(parts, known, strict=True)]
    null = [i for i, name in enumerate(predictions.classes) if "null" in name.lower()]
    found = triplet_precisions(rows, components)
    without = triplet_precisions(rows, components, null)["ivt"]
    yield "action triplets, average precision by recording, then by class"
    for name, values in {**found, "ivt without null": without}.items():
        there = values[np.isfinite(values)]
        mean = f"{there.mean():.4f}" if len(there) else "-"
        yield f"  AP {name:<18}{mean}  of {len(there)} classes that are there"


def _text(average: Average) -> str:
    deviation = "" if math.isnan(average.deviation) else f" +- {average.deviation:.4f}"
    return f"{average.value:.4f}{deviation:<10} [{average.low:.4f}, {average.high:.4f}]"


def _per_phase(classes: tuple[str, ...], summary: PhaseSummary) -> Iterator[str]:
    yield f"strict, each phase: {'':<12}" + "".join(f"{measure:>11}" for measure in MEASURES)
    for i, name in enumerate(classes):
        values = (summary.per_phase[measure][i] for measure in MEASURES)
        shown = "".join(f"{'-' if math.isnan(v) else format(v, '.4f'):>11}" for v in values)
        yield f"  {name:<30}{shown}"


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """All figures as plain values; what has no value is null."""
    return {
        "about": evaluation.predictions.metadata,
        "classes": list(evaluation.predictions.classes),
        "samples": _plain(evaluation.samples.figures),
        "phases": {
            form: {
                "accuracy": _plain(summary.accuracy._asdict()),
                "recordings_first": _averages(summary.recordings_first),
                "phases_first": _averages(summary.phases_first),
                "per_phase": {k: _plain(v.tolist()) for k, v in summary.per_phase.items()},
                "by_recording": {
                    name: _plain({k: np.asarray(v).tolist() for k, v in scores._asdict().items()})
                    for name, scores in summary.by_recording.items()
                },
            }
            for form, summary in evaluation.phases.items()
        },
    }


def _averages(averages: dict[str, Average]) -> dict[str, Any]:
    return {name: _plain(average._asdict()) for name, average in averages.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def write_evaluation(evaluation: Evaluation, folder: Path) -> list[Path]:
    """`metrics.json` and the pictures; returns what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "metrics.json"]
    written[0].write_text(json.dumps(as_json(evaluation), indent=1) + "\n")
    predictions, confusion = evaluation.predictions, evaluation.samples.confusion
    if confusion is not None:
        written.append(folder / "confusion.png")
        draw_confusion(written[-1], confusion, predictions.classes)
    if evaluation.phases:
        names = list(dict.fromkeys(predictions.recording.tolist()))
        for name in names:
            written.append(_free(folder / f"timeline_{_file_name(name)}.png", written))
            draw_timeline(written[-1], predictions.of_recording(name))
    return written


def _free(path: Path, taken: list[Path]) -> Path:
    """The path, or a numbered one where two recordings have one name."""
    number = 1
    free = path
    while free in taken:
        number += 1
        free = path.with_stem(f"{path.stem}_{number}")
    return free


def _file_name(recording: str) -> str:
    return re.sub(r"[^\w.-]+", "_", Path(recording).stem)[:80] or "recording"
