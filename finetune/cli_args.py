"""The commands of `python -m finetune` and their arguments; nothing heavy is imported here."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from encoder.cli import add_override_option
from video.cli_args import add_opening_options
from video.visualize.cli_args import add_clip_arguments

ENCODER = "an encoder: a checkpoint file, a run folder, or the name of a published model"


class Command(NamedTuple):
    """A command of the program."""

    usage: str  # an example, without `python -m finetune`
    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    function: str  # module:function, imported when the command runs


def command_parser(name: str) -> argparse.ArgumentParser:
    """The parser of a command."""
    summary = COMMANDS[name].summary
    parser = argparse.ArgumentParser(
        prog=f"python -m finetune {name}", description=f"{summary[0].upper()}{summary[1:]}."
    )
    COMMANDS[name].add_arguments(parser)
    return parser


def _add_labels(labels: argparse.ArgumentParser) -> None:
    labels.add_argument(
        "source",
        type=Path,
        help="recordings: a folder, a manifest or a list; with --kind clips: a list, a CSV file, "
        "class folders, or a pattern of these with {part}",
    )
    labels.add_argument(
        "labels",
        type=Path,
        nargs="?",
        help="one label file for all recordings, a pattern with {name}, or a folder with one for "
        "each; not with --kind clips",
    )
    labels.add_argument(
        "--kind",
        default="timestamps",
        help="timestamps: labels in time; clips: labelled clips (timestamps)",
    )
    labels.add_argument(
        "--split", type=Path, help="YAML file with train, val and test, or a shipped split"
    )
    labels.add_argument(
        "--multi-label",
        action="store_true",
        default=None,
        help="a timestamp may have several classes",
    )
    labels.add_argument(
        "--category",
        help="category of CholecT50's labels: phase, instrument, verb, target or triplet (phase)",
    )
    labels.add_argument(
        "--allow-shared-recordings",
        action="store_true",
        default=None,
        help="accept clips of one recording in several parts if they do not overlap",
    )
    labels.add_argument(
        "--allow-similar",
        action="store_true",
        help="accept recordings of different parts that look alike; they are listed",
    )
    labels.add_argument("--classes", help="class names in order, separated by commas (all labels)")
    labels.add_argument("--rate", type=float, help="samples per second of recording (1)")
    labels.add_argument(
        "--label-fps", type=float, help="frames per second that text labels count in (25)"
    )
    labels.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="another key of data.dataset",
    )
    add_opening_options(labels)


def _add_merge(merge: argparse.ArgumentParser) -> None:
    merge.add_argument("out", type=Path, help="the label space, a YAML file to write")
    merge.add_argument("sets", nargs="+", metavar="NAME=FILE", help="the class list of each set")
    merge.add_argument("--synonyms", type=Path, help="YAML file with other names of classes")


def _add_evaluate(evaluate: argparse.ArgumentParser) -> None:
    evaluate.add_argument(
        "predictions",
        type=Path,
        nargs="+",
        metavar="PREDICTIONS.npz",
        help="several files are evaluated together, such as the folds of a cross-validation",
    )
    evaluate.add_argument(
        "--out", type=Path, metavar="FOLDER", help="folder for metrics.json and plots"
    )
    evaluate.add_argument(
        "--tolerances",
        choices=("neighbours", "cholec80"),
        default="neighbours",
        help="what relaxed metrics accept within 10 s of a phase boundary: the neighbouring phase, "
        "or the phases of Cholec80's evaluation code (neighbours)",
    )
    evaluate.add_argument(
        "--triplets",
        type=Path,
        metavar="FILE",
        help="CholecT50's label_mapping.txt: adds average precisions of triplets and their parts",
    )


def _add_predict(predict: argparse.ArgumentParser) -> None:
    predict.add_argument("video", type=Path, help="a recording")
    predict.add_argument("--run", type=Path, required=True, help="a run folder or a classifier")
    predict.add_argument(
        "--out", type=Path, help="folder for NAME.csv, .json and .png (current folder)"
    )
    _add_reading(predict)


def _add_features(features: argparse.ArgumentParser) -> None:
    features.add_argument("source", type=Path, help="a folder of recordings, a manifest or a list")
    features.add_argument("out", type=Path, help="folder for NAME.npz")
    features.add_argument("--weights", required=True, help=ENCODER)
    features.add_argument(
        "--backbone",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="another key of backbone, such as variant=unified_base or num_frames=8",
    )
    features.add_argument(
        "--window",
        choices=("causal", "centred"),
        default="causal",
        help="frames up to each timestamp, or on both sides of it (causal)",
    )
    features.add_argument(
        "--step-seconds", type=float, default=0.16, help="seconds between two frames (0.16)"
    )
    _add_reading(features)


def _add_attention(attention: argparse.ArgumentParser) -> None:
    attention.add_argument("checkpoint", metavar="CHECKPOINT", help=ENCODER)
    add_clip_arguments(attention)
    add_override_option(attention)
    attention.add_argument(
        "--layer",
        type=int,
        default=-1,
        metavar="N",
        help="block, counted from 0, or from the last one as -1, -2, ... (-1)",
    )
    attention.add_argument(
        "--query",
        choices=("class", "mean"),
        help="the query: the class token, or the mean over all patches (class if there is one)",
    )
    attention.add_argument(
        "--heads",
        choices=("mean", "each"),
        default="mean",
        help="the mean of all heads, or a row for each head (mean)",
    )
    attention.add_argument(
        "--rollout", action="store_true", help="attention rollout from the first block to this one"
    )
    attention.add_argument(
        "--style",
        choices=("overlay", "classic"),
        default="overlay",
        help="overlay: heat maps over the frames and next to them, with one colour scale; classic: "
        "grey maps only, each scaled from its minimum to its maximum (overlay)",
    )


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rate", type=float, default=1.0, help="timestamps per second (1)")
    parser.add_argument("--batch", type=int, default=32, help="clips per forward pass (32)")
    parser.add_argument("--workers", type=int, default=2, help="data-loading processes (2)")
    add_opening_options(parser)


COMMANDS = {
    "labels": Command(
        "labels /videos /labels",
        "check labels and count samples by class",
        _add_labels,
        "finetune.commands:run_labels",
    ),
    "merge": Command(
        "merge space.yaml a=a.txt b=b.txt",
        "merge class lists into one label space",
        _add_merge,
        "finetune.commands:run_merge",
    ),
    "evaluate": Command(
        "evaluate PREDICTIONS.npz",
        "compute all metrics of predictions",
        _add_evaluate,
        "finetune.commands:run_evaluate",
    ),
    "predict": Command(
        "predict VIDEO --run runs/phases",
        "classify one recording over time",
        _add_predict,
        "finetune.commands:run_predict",
    ),
    "features": Command(
        "features /videos OUT --weights FILE",
        "export features over time as npz files",
        _add_features,
        "finetune.commands:run_features",
    ),
    "attention": Command(
        "attention CHECKPOINT VIDEO",
        "draw attention maps of an encoder",
        _add_attention,
        "finetune.attention.cli:run_attention",
    ),
}
