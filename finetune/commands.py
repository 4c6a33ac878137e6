"""The functions behind the commands of `python -m finetune`."""

import argparse
import glob
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from finetune.data.dataset_kinds import DATASET_KINDS, DatasetConfig
from finetune.data.frame_labels import frame_labels
from finetune.data.leaks import require_separate_parts
from finetune.data.recording_opener import RecordingOpener
from finetune.data.slow_samples import slow_samples
from finetune.data.sparse_labels import sparse_labels
from finetune.data.windows import WindowSampling
from finetune.evaluation.evaluate import evaluate, evaluation_lines, triplet_lines, write_evaluation
from finetune.evaluation.predictions import join_predictions, load_predictions
from finetune.inference.export_features import export_features, open_encoder
from finetune.inference.predict_video import PredictOptions, predict
from finetune.label_space.cli import merge_files
from finetune.label_space.parse import LabelSpaceError
from finetune.model.config import NATIVE, BackboneConfig
from launch.atomic_io import require_writable
from launch.recipe import validate
from launch.yaml_file import parse_yaml
from video.labels.segments import LabelError
from video.manifest import ManifestError
from video.open_source import OpenedSource
from video.recording import Recording, UnreadableVideo, WantedStream

OPEN_TIMEOUT = 120.0  # seconds after which a recording counts as unreadable
NOT_DATASET_KEYS = (
    "command",
    "source",
    "labels",
    "set",
    "folder_fps",
    "stream",
    "allow_similar",
)  # options of `labels`


def run_labels(options: argparse.Namespace) -> None:
    """Joins labels to recordings and reports what fits; raises errors as training would."""
    dataset = _dataset(options)
    labelled = dataset.load(_opener(options), dataset.classes)
    for line in (
        *labelled.lines(),
        *sparse_labels(labelled, "--label-fps"),
        *frame_labels(labelled, "--label-fps"),
        *slow_samples(labelled, dataset),
        *require_separate_parts(
            {"": labelled.recordings}, options.allow_similar, "--allow-similar"
        ),
    ):
        print(line)


def _dataset(options: argparse.Namespace) -> DatasetConfig:
    """The configuration of the set that the options describe."""
    if options.kind not in DATASET_KINDS:
        raise LabelError(f"--kind: {options.kind!r} is none of {', '.join(DATASET_KINDS)}")
    cls: Any = DATASET_KINDS[options.kind]
    paths = [path for path in (options.source, options.labels) if path is not None]
    if len(paths) != len(cls.cli_arguments):
        names = " and ".join(name.upper() for name in cls.cli_arguments)
        raise LabelError(
            f"labels: --kind {options.kind} takes {names}, not {' '.join(map(str, paths))}"
        )
    if options.kind == "clips" and options.multi_label:
        raise LabelError(
            "--multi-label: leave it out; a list of clips shows itself whether a clip may have "
            "several classes: it then has a column for each class"
        )
    given = {k: v for k, v in vars(options).items() if k not in NOT_DATASET_KEYS and v is not None}
    if options.classes:
        given["classes"] = [name.strip() for name in options.classes.split(",")]
    values = dict(zip(cls.cli_arguments, map(str, paths), strict=True))
    dataset: DatasetConfig = validate(cls, {**values, **given, **_key_values(options.set)})
    return dataset


def _opener(options: argparse.Namespace) -> RecordingOpener:
    stream = WantedStream(options.stream)
    return RecordingOpener("pyav", options.folder_fps, OPEN_TIMEOUT, _print_unreadable, stream)


def _print_unreadable(opened: OpenedSource) -> None:
    for failure in opened.failures:
        print(f"unreadable: {failure}")


def _key_values(words: Sequence[str]) -> dict[str, Any]:
    """Words `KEY=VALUE`, with YAML values. Raises ConfigError."""
    pairs = [word.partition("=") for word in words]
    return {key: parse_yaml(value, key) for key, _, value in pairs}


def run_merge(options: argparse.Namespace) -> None:
    """Merges class lists into a label space, and reports every merge."""
    sets: dict[str, Path] = {}
    for word in options.sets:
        name, equals, path = word.partition("=")
        if not equals or not path:
            raise LabelSpaceError(f"{word!r}: give a set as NAME=FILE")
        if name in sets:
            raise LabelSpaceError(f"{word!r}: another set has the name {name}, {sets[name]}")
        sets[name] = Path(path)
    for line in merge_files(options.out, sets, options.synonyms):
        print(line)


def run_evaluate(options: argparse.Namespace) -> None:
    """Computes all metrics from files of predictions alone."""
    if options.out:
        require_writable(options.out, is_folder=True)
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


def run_predict(options: argparse.Namespace) -> None:
    """Classifies one recording, and prints the progress."""
    out = options.out or Path()
    require_writable(out, is_folder=True)
    recording = _open_one(options)
    reading = PredictOptions(options.rate, options.batch, options.workers, OPEN_TIMEOUT)
    start, unreadable, failures = time.monotonic(), 0, list[UnreadableVideo]()
    for progress in predict(recording, options.run, out, reading):
        unreadable += progress.unreadable
        failures += progress.failures
        speed = progress.seconds / max(time.monotonic() - start, 1e-6)
        print(
            f"{clock(progress.seconds)} of {clock(recording.seconds)}  {progress.label} "
            f"{progress.confidence:.2f}  {speed:.1f} x real time",
            flush=True,
        )
    if failures:
        print(f"unreadable: {unreadable} timestamps, the first: {failures[0]}")
    name = Path(recording.path).stem
    for path in sorted(out.glob(f"{glob.escape(name)}.[cjp][sn]*")):
        print(f"written: {path}")


def _open_one(options: argparse.Namespace) -> Recording:
    def refuse(opened: OpenedSource) -> None:
        if opened.failures:
            raise ManifestError(str(opened.failures[0]))

    opener = _opener(options)._replace(
        report=refuse, stream=WantedStream(options.stream, is_own=True)
    )
    return opener.open_paths([str(options.video)])[0]


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))


def run_features(options: argparse.Namespace) -> None:
    """Exports features of every recording of a source that has none yet."""
    require_writable(options.out, is_folder=True)
    values = _key_values([f"weights={options.weights}", *options.backbone])
    encoder, facts = open_encoder(validate(BackboneConfig, {"variant": NATIVE, **values}))
    recordings = _opener(options).open_source(options.source)
    window = WindowSampling(options.window, options.step_seconds)
    reading = PredictOptions(options.rate, options.batch, options.workers, OPEN_TIMEOUT)
    for done in export_features(encoder, facts, recordings, options.out, window, reading):
        note = ", exists already" if done.already_exported else ""
        print(f"{done.path}: {done.num_timestamps} timestamps{note}", flush=True)
        for failure in done.failures:
            print(f"unreadable: {failure}")
