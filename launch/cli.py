"""The command line for what is done with runs, before and after them, and with chains of them."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from launch.errors import ConfigError

DESCRIPTION = """\
What is done with runs, before and after them, and with chains of them.

  python -m launch progressive chain.yaml                    stages one after the other, resumable
  python -m launch report runs/first runs/second             an HTML page on runs
  python -m launch consolidate runs/first weights.safetensors"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m launch",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one_file = commands.add_parser(
        "consolidate", help="one safetensors file of whole weights from a run's checkpoint"
    )
    one_file.add_argument("run", type=Path, help="a run folder")
    one_file.add_argument("out", type=Path, help="the file to write; must not exist")
    one_file.add_argument("--step", type=int, help="of the checkpoint; the newest if not given")
    commands.add_parser(
        "progressive",
        help="pretraining, finetuning, evaluation as one resumable chain",
        add_help=False,
    )
    commands.add_parser(
        "report", help="one HTML page on a run, or on several side by side", add_help=False
    )
    return parser


def main(arguments: Sequence[str]) -> None:
    """Runs the command; raises errors with `exit_status` for what the user can mend."""
    if arguments[:1] == ["plan"]:
        raise ConfigError("plan moved: python -m pretrain plan")
    if arguments[:1] == ["progressive"]:
        from launch.progressive.cli import main as progressive

        progressive(arguments[1:])
        return
    if arguments[:1] == ["report"]:
        from launch.report.cli import main as report

        report(arguments[1:])
        return
    options = parser().parse_args(arguments)
    from launch.checkpoint.consolidate import consolidate

    print(consolidate(options.run, options.out, options.step))
