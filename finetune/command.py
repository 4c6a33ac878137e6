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
        description="Supervised stages: evaluation of predictions.",
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
    return parser
