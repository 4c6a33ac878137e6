"""The words of the commands of `python -m finetune`; nothing heavy is imported here."""

import argparse
from collections.abc import Callable
from pathlib import Path

from encoder.cli import add_override_option
from video.visualize.cli_args import add_clip_arguments


def commands_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m finetune")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (what, add) in COMMANDS.items():
        add(commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}."))
    return parser


def _add_evaluate(evaluate: argparse.ArgumentParser) -> None:
    evaluate.add_argument(
        "predictions",
        type=Path,
        nargs="+",
        metavar="PREDICTIONS.npz",
        help="several are scored together, such as those of a cross-validation",
    )
    evaluate.add_argument("--out", type=Path, metavar="FOLDER", help="metrics.json and pictures")
    evaluate.add_argument(
        "--tolerances",
        choices=("neighbours", "cholec80"),
        default="neighbours",
        help="what relaxed boundaries forgive for 10 s: the neighbouring phase, or as Cholec80's "
        "evaluation does, by phase",
    )
    evaluate.add_argument(
        "--triplets",
        type=Path,
        metavar="FILE",
        help="average precisions of action triplets and parts, by CholecT50's label_mapping.txt",
    )


def _add_labels(labels: argparse.ArgumentParser) -> None:
    labels.add_argument(
        "source",
        type=Path,
        help="a folder of recordings, a manifest or a list; of clips their list, a CSV file, class "
        "folders, or a pattern of them with {part}",
    )
    labels.add_argument(
        "labels",
        type=Path,
        nargs="?",
        help="one file for all, a pattern with {name}, or a folder with one for each; not of clips",
    )
    labels.add_argument(
        "--kind",
        choices=("timestamps", "clips"),
        default="timestamps",
        help="labels in time, or labelled clips (timestamps)",
    )
    labels.add_argument("--split", type=Path, help="a YAML file of train, val and test")
    labels.add_argument(
        "--multi-label", action="store_true", help="a timestamp may have several classes"
    )
    labels.add_argument(
        "--category",
        default="phase",
        help="of CholecT50's labels: phase, instrument, verb, target or triplet (phase)",
    )
    labels.add_argument(
        "--allow-shared-recordings",
        action="store_true",
        help="clips of one recording may be in several parts, where they do not overlap",
    )
    labels.add_argument("--classes", help="names in their order, with commas between; else all")
    labels.add_argument("--rate", type=float, default=1.0, help="moments a second (1)")
    labels.add_argument(
        "--label-fps", type=float, default=25.0, help="frames a second that text labels count (25)"
    )
    labels.add_argument(
        "--folder-fps", type=float, default=1.0, help="pictures a second of folders (1)"
    )


def _add_merge(merge: argparse.ArgumentParser) -> None:
    merge.add_argument("out", type=Path, help="the file of the space, YAML")
    merge.add_argument("sets", nargs="+", metavar="NAME=FILE", help="the classes of each set")
    merge.add_argument("--synonyms", type=Path, help="a YAML file of names that mean the same")


def _add_predict(predict: argparse.ArgumentParser) -> None:
    predict.add_argument("video", type=Path, help="a recording")
    predict.add_argument("--run", type=Path, required=True, help="a run's folder or its classifier")
    predict.add_argument("--out", type=Path, help="folder of NAME.csv, .json and .png (here)")
    _add_reading(predict)


def _add_features(features: argparse.ArgumentParser) -> None:
    features.add_argument("source", type=Path, help="a folder of recordings, a manifest or a list")
    features.add_argument("out", type=Path, help="folder of NAME.npz")
    features.add_argument(
        "--weights", required=True, help="an encoder: a file, a run's folder, a published name"
    )
    features.add_argument(
        "--backbone",
        action="append",
        default=[],
        metavar="key=value",
        help="what else a recipe says of the backbone, such as variant=unified_base frames=8",
    )
    features.add_argument(
        "--window",
        choices=("causal", "centred"),
        default="causal",
        help="frames before a moment, or around it (causal)",
    )
    features.add_argument(
        "--step-seconds", type=float, default=0.16, help="between two frames of a clip (0.16)"
    )
    _add_reading(features)


def _add_attention(attention: argparse.ArgumentParser) -> None:
    attention.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="an encoder: a file, a run's folder, a published name",
    )
    add_clip_arguments(attention)
    add_override_option(attention)
    attention.add_argument(
        "--layer", type=int, default=-1, metavar="N", help="from 0, or from the last: -1, -2 (-1)"
    )
    attention.add_argument(
        "--query",
        choices=("class", "mean"),
        help="whose attention: the class token's, or the mean of all patches' (class where there "
        "is one)",
    )
    attention.add_argument(
        "--heads", choices=("mean", "each"), default="mean", help="one row, or one a head (mean)"
    )
    attention.add_argument(
        "--rollout", action="store_true", help="through all layers up to this one"
    )
    attention.add_argument(
        "--style",
        choices=("overlay", "classic"),
        default="overlay",
        help="one scale for all, over the frames and beside them; or grey maps alone, each tile "
        "from its least to its most (overlay)",
    )


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rate", type=float, default=1.0, help="moments a second (1)")
    parser.add_argument("--batch", type=int, default=32, help="clips of a forward pass (32)")
    parser.add_argument("--workers", type=int, default=2, help="reading processes (2)")
    parser.add_argument(
        "--folder-fps", type=float, default=1.0, help="pictures a second of folders (1)"
    )


COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "labels": ("whether labels fit recordings, and what there is of each class", _add_labels),
    "merge": ("the classes of several labelled sets as one label space", _add_merge),
    "evaluate": ("every figure of a file of predictions, from the file alone", _add_evaluate),
    "predict": ("probabilities over time of one recording", _add_predict),
    "features": ("features over time of recordings, as npz files", _add_features),
    "attention": ("where an encoder looks in recordings, as pictures and films", _add_attention),
}
