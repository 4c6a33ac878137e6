"""The command line of `python -m launch`: checks, chains, reports and consolidated weights."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from launch.errors import ConfigError

DESCRIPTION = """\
Checks before a run, chains of runs, reports on runs, and weights from their checkpoints.

  python -m launch doctor --source /videos --run runs/first     is this machine or job ready?
  python -m launch progressive chain.yaml                       run stages in order, resumable
  python -m launch report runs/first runs/second                one HTML page on several runs
  python -m launch consolidate runs/first weights.safetensors   one file with all weights"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m launch",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one_file = commands.add_parser(
        "consolidate", help="write all weights of a checkpoint to one safetensors file"
    )
    one_file.add_argument("run", type=Path, help="a run folder")
    one_file.add_argument("out", type=Path, help="the file to write; it must not exist")
    one_file.add_argument("--step", type=int, help="step of the checkpoint; default: the newest")
    commands.add_parser(
        "progressive",
        help="run pretraining, finetuning and evaluation as one resumable chain",
        add_help=False,
    )
    commands.add_parser(
        "doctor", help="check a machine or an allocation before a run", add_help=False
    )
    commands.add_parser("report", help="write one HTML page on one or several runs", add_help=False)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit status; errors of the user have `exit_status`."""
    if arguments[:1] == ["plan"]:
        raise ConfigError("plan moved: python -m pretrain plan")
    if arguments[:1] == ["doctor"]:
        from launch.doctor.cli import main as doctor

        return doctor(arguments[1:])
    if arguments[:1] == ["progressive"]:
        from launch.progressive.cli import main as progressive

        progressive(arguments[1:])
        return 0
    if arguments[:1] == ["report"]:
        from launch.report.cli import main as report

        report(arguments[1:])
        return 0
    options = parser().parse_args(arguments)
    from launch.checkpoint.consolidate import consolidate

    print(consolidate(options.run, options.out, options.step))
    return 0
