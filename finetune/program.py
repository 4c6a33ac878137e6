"""The commands of `python -m finetune`."""

import argparse

from finetune.evaluation import evaluate, evaluation_lines, write_evaluation
from finetune.labels.labelled import label_recordings
from finetune.predictions import load_predictions
from video.opening import open_source
from video.progress import show_progress

SILENCE_SECONDS = 120.0  # of a recording that is opened, then it counts as unreadable


def run_evaluate(options: argparse.Namespace) -> None:
    """Recomputes every figure; the file is all that is read."""
    predictions = load_predictions(options.predictions)
    evaluation = evaluate(predictions, str(options.predictions), options.tolerances)
    for line in evaluation_lines(evaluation, str(options.predictions)):
        print(line)
    if options.out:
        for path in write_evaluation(evaluation, options.out):
            print(f"written: {path}")


def run_labels(options: argparse.Namespace) -> None:
    """Joins labels to recordings and tells what fits; fails where something cannot be meant."""
    opened = open_source(options.source, "pyav", options.folder_fps, SILENCE_SECONDS, show_progress)
    for failure in opened.failures:
        print(f"unreadable: {failure}")
    classes = [name.strip() for name in options.classes.split(",")] if options.classes else None
    labelled = label_recordings(
        opened.recordings, options.labels, options.split, options.rate, options.label_fps, classes
    )
    for line in labelled.lines():
        print(line)


PROGRAMS = {"evaluate": run_evaluate, "labels": run_labels}
