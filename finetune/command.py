"""The command line of `python -m finetune`."""

import argparse
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> int:
    """Runs a command; returns its exit status."""
    options = parser().parse_args(arguments)
    from finetune.program import PROGRAMS  # heavy libraries only after --help was answered

    PROGRAMS[options.command](options)
    return 0


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m finetune",
        description="Supervised stages: labels in time, and evaluation of predictions.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    evaluate = commands.add_parser(
        "evaluate", help="every figure of a file of predictions, from the file alone"
    )
    evaluate.add_argument("predictions", type=Path, metavar="PREDICTIONS.npz")
    evaluate.add_argument("--out", type=Path, metavar="FOLDER", help="metrics.json and pictures")
    evaluate.add_argument(
        "--tolerances", choices=("neighbours", "cholec80"), default="neighbours",
        help="what relaxed boundaries forgive for 10 s: the neighbouring phase, or as Cholec80's "
        "evaluation does, by phase",
    )  # fmt: skip
    labels = commands.add_parser(
        "labels", help="whether labels fit recordings, and what there is of each class"
    )
    labels.add_argument("source", type=Path, help="a folder of recordings, a manifest or a list")
    labels.add_argument(
        "labels",
        type=Path,
        help="one file for all, a pattern with {name}, or a folder with one for each",
    )
    labels.add_argument("--split", type=Path, help="a YAML file of train, val and test")
    labels.add_argument("--classes", help="names in their order, with commas between; else all")
    labels.add_argument("--rate", type=float, default=1.0, help="moments a second (1)")
    labels.add_argument(
        "--label-fps", type=float, default=25.0, help="frames a second that text labels count (25)"
    )
    labels.add_argument(
        "--folder-fps", type=float, default=1.0, help="pictures a second of folders (1)"
    )
    return parser
