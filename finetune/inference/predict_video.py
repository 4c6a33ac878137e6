"""Probabilities over time of one recording, written while they are computed."""

import csv
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
from launch.json_text import json_text
from video.eval_crop import EvalCrop
from video.labels.align import LabelTrack, timestamps
from video.labels.segments import MISSING
from video.recording import Recording, UnreadableVideo


class PredictOptions(NamedTuple):
    """How a recording is read for its predictions."""

    rate: float = 1.0  # timestamps per second
    batch_size: int = 32  # clips of a forward pass
    workers: int = 2
    read_timeout: float = 120.0  # seconds


class PredictProgress(NamedTuple):
    """The state of a prediction after a batch."""

    seconds: float  # of the recording that are done
    label: str  # of the last timestamp
    confidence: float
    unreadable: int  # timestamps of this batch
    failures: tuple[UnreadableVideo, ...]  # of this batch


def predict(
    recording: Recording, run: Path, out: Path, options: PredictOptions
) -> Iterator[PredictProgress]:
    """Writes `NAME.csv` row by row, then `NAME.json`, and `NAME.png` where there is a timeline.

    Frames are read in batches, so memory does not grow with the length of the recording except by
    its probabilities. An unreadable timestamp has none. Raises CheckpointMismatch.
    """
    model, metadata = load_classifier(run)
    processes = Processes()
    model.to(processes.device)
    sampled = _sampled(recording, read_sampling(metadata, run), options.rate)
    encoder = model.encoder.config
    reader = MultiViewReader(EvalCrop(encoder.image_size, metadata.eval_crop), encoder.num_frames)
    predictor = Predictor(reader, options.batch_size, options.workers, options.read_timeout)
    batches = sample_batches([sampled], labelled_only=False)
    outputs = predictor.predict_batches(
        lambda clips: model(clips)["logits"],
        view_averager(TestViewsConfig(), metadata.multi_label),
        [sampled],
        batches,
        range(len(batches)),
        processes,
    )
    out.mkdir(parents=True, exist_ok=True)
    name, times = Path(recording.path).stem, sampled.track.times
    scores: list[np.ndarray] = []
    with (out / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "prediction", *metadata.classes])
        for each in outputs:
            batch = batches[each.batch]
            scores.append(np.where(each.readable[:, None], each.values, np.nan))
            batch_times = times[batch.first : batch.stop]
            last = _write_rows(file, writer, batch_times, scores[-1], metadata.classes)
            yield _progress(float(batch_times[-1]), last, scores[-1], each.failures)
    settings = {
        "classifier": str(run),
        "step": metadata.step,
        "recording": recording.path,
        "content": recording.content,
        "sampling": metadata.sampling,
    }
    probabilities = np.concatenate(scores)
    _write_json(out / f"{name}.json", times, probabilities, metadata.classes, settings)
    if not metadata.multi_label:
        _draw(out / f"{name}.png", times, probabilities, metadata.classes)


def _sampled(
    recording: Recording, sampling: WindowSampling | ClipSampling, rate: float
) -> SampledTrack:
    if isinstance(sampling, WindowSampling):
        times, until = timestamps(recording, rate), None
    else:
        times, until = np.zeros(1), np.array([recording.seconds])
    labels = np.full(len(times), MISSING, dtype=np.int64)
    return SampledTrack(LabelTrack(recording, times, labels, 0, 0, until), sampling)


def _write_rows(
    file: IO[str], writer: Any, times: np.ndarray, scores: np.ndarray, classes: tuple[str, ...]
) -> str:
    """Returns the class of the last row."""
    for time, row in zip(times.tolist(), scores.tolist(), strict=True):
        readable = not np.isnan(row[0])
        best = classes[int(np.argmax(row))] if readable else ""
        cells = [f"{value:.6f}" for value in row] if readable else [""] * len(row)
        writer.writerow([f"{time:.3f}", best, *cells])
    file.flush()
    return best


def _progress(
    seconds: float, label: str, scores: np.ndarray, failures: tuple[UnreadableVideo, ...]
) -> PredictProgress:
    unreadable = int(np.isnan(scores[:, 0]).sum())
    confidence = float(np.nan_to_num(scores[-1]).max())
    return PredictProgress(seconds, label, confidence, unreadable, failures)


def _write_json(
    path: Path,
    times: np.ndarray,
    scores: np.ndarray,
    classes: tuple[str, ...],
    settings: dict[str, Any],
) -> None:
    readable = ~np.isnan(scores[:, 0])
    rows = zip(np.round(scores, 6).tolist(), readable.tolist(), strict=True)
    values = {
        **settings,
        "unreadable": int((~readable).sum()),
        "classes": list(classes),
        "time": times.tolist(),
        "probabilities": [row if is_readable else None for row, is_readable in rows],
    }
    write_atomic(path, json_text(values) + "\n")


def _draw(path: Path, times: np.ndarray, scores: np.ndarray, classes: tuple[str, ...]) -> None:
    """Draws a timeline, unless there is one timestamp only."""
    readable = ~np.isnan(scores[:, 0])
    if readable.any() and len(times) > 1:
        count = int(readable.sum())
        rows = Predictions(
            np.full(count, path.stem),
            times[readable],
            scores[readable].astype(np.float32),
            np.full(count, MISSING, dtype=np.int64),
            classes,
            {},
        )
        draw_timeline(path, rows)
