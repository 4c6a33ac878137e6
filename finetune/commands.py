"""The commands of `python -m finetune`."""

import argparse
import glob
import time
from datetime import timedelta
from itertools import chain
from pathlib import Path

import yaml

from finetune.data.clip_labels import label_clips
from finetune.data.clip_lists import paths_of, read_parts
from finetune.data.labelled_set import LabelledSet, label_recordings
from finetune.data.splits import find_split
from finetune.data.windows import WindowSampling
from finetune.evaluation.evaluate import evaluate, evaluation_lines, triplet_lines, write_evaluation
from finetune.evaluation.predictions import join_predictions, load_predictions
from finetune.inference.export_features import export_features, open_encoder
from finetune.inference.predict_video import PredictOptions, predict
from finetune.label_space.cli import merge_files
from finetune.label_space.parse import LabelSpaceError
from finetune.model.config import NATIVE, BackboneConfig
from launch.recipe import validate
from video.labels.segments import LabelError
from video.manifest import ManifestError
from video.open_source import OpenedSource, open_each, open_source
from video.progress import show_progress
from video.recording import Recording, UnreadableVideo

SILENCE_SECONDS = 120.0  # of a recording that is opened, then it counts as unreadable


def run_evaluate(options: argparse.Namespace) -> None:
    """Recomputes every figure; the files are all that is read."""
    files = [(path, load_predictions(path)) for path in options.predictions]
    predictions = join_predictions(files)
    source = str(files[0][0]) if len(files) == 1 else f"{len(files)} files"
    evaluation = evaluate(predictions, source, options.tolerances)
    for line in evaluation_lines(evaluation, source):
        print(line)
    if options.triplets:
        for line in triplet_lines(predictions, options.triplets, source):
            print(line)
    if options.out:
        for path in write_evaluation(evaluation, options.out):
            print(f"written: {path}")


def run_labels(options: argparse.Namespace) -> None:
    """Joins labels to recordings and tells what fits; fails where something cannot be meant."""
    classes = [name.strip() for name in options.classes.split(",")] if options.classes else None
    labelled = {"timestamps": _moments, "clips": _clips}[options.kind](options, classes)
    for line in labelled.lines():
        print(line)


def _moments(options: argparse.Namespace, classes: list[str] | None) -> LabelledSet:
    if options.labels is None:
        raise LabelError(
            f"labels: {options.source} alone; name the labels behind it, or say --kind clips"
        )
    opened = open_source(options.source, "pyav", options.folder_fps, SILENCE_SECONDS, show_progress)
    _tell(opened)
    return label_recordings(
        opened.recordings,
        options.labels,
        _split(options),
        options.rate,
        options.label_fps,
        classes,
        options.multi_label,
        options.category,
    )


def _clips(options: argparse.Namespace, classes: list[str] | None) -> LabelledSet:
    if options.labels is not None:
        raise LabelError(f"labels: {options.labels} is too much; clips have their labels with them")
    parts = read_parts(options.source)
    paths = paths_of(chain.from_iterable(parts.values()))
    opened = open_each(paths, "pyav", options.folder_fps, SILENCE_SECONDS, show_progress)
    _tell(opened)
    return label_clips(
        opened.recordings, parts, classes, options.allow_shared_recordings, _split(options)
    )


def _split(options: argparse.Namespace) -> Path | None:
    return find_split(options.split) if options.split else None


def _tell(opened: OpenedSource) -> None:
    for failure in opened.failures:
        print(f"unreadable: {failure}")


def run_merge(options: argparse.Namespace) -> None:
    """Merges class lists into a label space, and reports every merge."""
    sets: dict[str, Path] = {}
    for word in options.sets:
        name, equals, path = word.partition("=")
        if not equals or not path:
            raise LabelSpaceError(f"{word!r}: a set is given as NAME=FILE")
        if name in sets:
            raise LabelSpaceError(f"{word!r}: there is another set {name}, {sets[name]}")
        sets[name] = Path(path)
    for line in merge_files(options.out, sets, options.synonyms):
        print(line)


def run_predict(options: argparse.Namespace) -> None:
    """Probabilities of one recording, row by row as they are found."""
    recording = _open_one(options.video, options.folder_fps)
    out = options.out or Path()
    reading = PredictOptions(options.rate, options.batch, options.workers, SILENCE_SECONDS)
    began, unreadable, failures = time.monotonic(), 0, list[UnreadableVideo]()
    for told in predict(recording, options.run, out, reading):
        unreadable += told.unreadable
        failures += told.failures
        speed = told.seconds / max(time.monotonic() - began, 1e-6)
        print(
            f"{clock(told.seconds)} of {clock(recording.seconds)}  {told.label} "
            f"{told.confidence:.2f}  {speed:.1f} x real time",
            flush=True,
        )
    if failures:
        print(f"unreadable: {unreadable} moments, the first: {failures[0]}")
    name = Path(recording.path).stem
    for path in sorted(out.glob(f"{glob.escape(name)}.[cjp][sn]*")):
        print(f"written: {path}")


def _open_one(video: Path, folder_fps: float) -> Recording:
    opened = open_each([str(video)], "pyav", folder_fps, SILENCE_SECONDS, show_progress)
    if opened.failures:
        raise ManifestError(str(opened.failures[0]))
    return opened.recordings[0]


def clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def run_features(options: argparse.Namespace) -> None:
    """Features of every recording of a source that has none yet."""
    words = [f"weights={options.weights}", *options.backbone]
    values = {word.partition("=")[0]: yaml.safe_load(word.partition("=")[2]) for word in words}
    backbone = validate(BackboneConfig, {"variant": NATIVE, **values})
    encoder, facts = open_encoder(backbone)
    opened = open_source(options.source, "pyav", options.folder_fps, SILENCE_SECONDS, show_progress)
    _tell(opened)
    window = WindowSampling(options.window, options.step_seconds)
    reading = PredictOptions(options.rate, options.batch, options.workers, SILENCE_SECONDS)
    for done in export_features(encoder, facts, opened.recordings, options.out, window, reading):
        note = ", was there" if done.already_exported else ""
        print(f"{done.path}: {done.num_timestamps} moments{note}", flush=True)
        for failure in done.failures:
            print(f"unreadable: {failure}")


PROGRAMS = {
    "labels": run_labels,
    "merge": run_merge,
    "evaluate": run_evaluate,
    "predict": run_predict,
    "features": run_features,
}
