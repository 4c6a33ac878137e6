"""Probabilities over time of one recording, written as they are found."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from finetune.config import TestViewsConfig
from finetune.data.clip_sampling import ClipSampling
from finetune.data.samples import SampledTrack
from finetune.data.windows import WindowSampling
from finetune.evaluation.plots import draw_timeline
from finetune.evaluation.predictions import Predictions
from finetune.inference.multi_view import MultiViewReader, sample_batches
from finetune.inference.predictor import Predictor
from finetune.inference.probabilities import view_averager
from finetune.model.classifier_file import load_classifier, read_sampling
from launch.atomic_io import write_atomic
from launch.distributed.process_group import Processes
from video.eval_crop import EvalCrop
from video.labels.align import LabelTrack, timestamps
from video.labels.segments import MISSING
from video.recording import Recording, UnreadableVideo


class PredictOptions(NamedTuple):
    """How a recording is read for its predictions."""

    rate: float = 1.0  # moments a second
    batch_size: int = 32  # clips of a forward pass
    workers: int = 2
    read_timeout: float = 120.0  # seconds, then a reading counts as failed


class PredictProgress(NamedTuple):
    """How far a prediction is."""

    seconds: float  # of the recording that are done
    label: str  # the last moment's
    confidence: float
    unreadable: int  # moments, of those since what was told before
    failures: tuple[UnreadableVideo, ...]  # why


def predict(
    recording: Recording, run: Path, out: Path, options: PredictOptions
) -> Iterator[PredictProgress]:
    """Writes `NAME.csv` row by row, then `NAME.json` and `NAME.png`, where windows are of moments.

    Memory does not grow with the length of the recording but by the numbers that are written. A
    moment that cannot be read has no probabilities. Raises CheckpointMismatch.
    """
    model, about = load_classifier(run)
    processes = Processes()
    model.to(processes.device)
    sampled = _sampled(recording, read_sampling(about, run), options.rate)
    encoder = model.encoder.config
    viewing = MultiViewReader(EvalCrop(encoder.image_size, about.eval_crop), encoder.num_frames)
    asking = Predictor(viewing, options.batch_size, options.workers, options.read_timeout)
    questions = sample_batches([sampled], labelled_only=False)
    answered = asking.predict_batches(
        model,
        view_averager(TestViewsConfig(), about.multi_label),
        [sampled],
        questions,
        range(len(questions)),
        processes,
    )
    out.mkdir(parents=True, exist_ok=True)
    name, times = Path(recording.path).stem, sampled.track.times
    scores: list[np.ndarray] = []
    with (out / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "prediction", *about.classes])
        for each in answered:
            question = questions[each.batch]
            scores.append(np.where(each.readable[:, None], each.values, np.nan))
            of_it = times[question.first : question.stop]
            last = _write(file, writer, of_it, scores[-1], about.classes)
            yield _told(float(of_it[-1]), last, scores[-1], each.failures)
    facts = {
        "classifier": str(run),
        "step": about.step,
        "recording": recording.path,
        "content": recording.content,
        "sampling": about.sampling,
    }
    _finish(out, name, times, np.concatenate(scores), about.classes, about.multi_label, facts)


def _sampled(
    recording: Recording, sampling: WindowSampling | ClipSampling, rate: float
) -> SampledTrack:
    if isinstance(sampling, WindowSampling):
        times, until = timestamps(recording, rate), None
    else:
        times, until = np.zeros(1), np.array([recording.seconds])
    labels = np.full(len(times), MISSING, dtype=np.int64)
    return SampledTrack(LabelTrack(recording, times, labels, 0, 0, until), sampling)


def _write(
    file: IO[str], writer: Any, times: np.ndarray, scores: np.ndarray, classes: tuple[str, ...]
) -> str:
    """Writes the rows and returns the last one's class."""
    for time, row in zip(times.tolist(), scores.tolist(), strict=True):
        known = not np.isnan(row[0])
        best = classes[int(np.argmax(row))] if known else ""
        shown = [f"{value:.6f}" for value in row] if known else [""] * len(row)
        writer.writerow([f"{time:.3f}", best, *shown])
    file.flush()
    return best


def _told(
    seconds: float, label: str, scores: np.ndarray, failures: tuple[UnreadableVideo, ...]
) -> PredictProgress:
    unreadable = int(np.isnan(scores[:, 0]).sum())
    return PredictProgress(
        seconds, label, float(np.nan_to_num(scores[-1]).max()), unreadable, failures
    )


def _finish(
    out: Path,
    name: str,
    times: np.ndarray,
    scores: np.ndarray,
    classes: tuple[str, ...],
    many: bool,
    facts: dict[str, Any],
) -> None:
    known = ~np.isnan(scores[:, 0])
    values = {
        **facts,
        "unreadable": int((~known).sum()),
        "classes": list(classes),
        "time": times.tolist(),
        "probabilities": [
            row if good else None
            for row, good in zip(np.round(scores, 6).tolist(), known.tolist(), strict=True)
        ],
    }
    write_atomic(out / f"{name}.json", json.dumps(values) + "\n")
    if known.any() and len(times) > 1 and not many:
        rows = Predictions(
            np.full(int(known.sum()), name),
            times[known],
            scores[known].astype(np.float32),
            np.full(int(known.sum()), MISSING, dtype=np.int64),
            classes,
            {},
        )
        draw_timeline(out / f"{name}.png", rows)
