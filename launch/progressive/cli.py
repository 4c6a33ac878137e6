"""The command line of `python -m launch progressive`."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

DESCRIPTION = """\
Runs the stages of a chain file one after the other; the same command resumes a stopped chain.

  python -m launch progressive chain.yaml                 on this machine, or in this allocation
  python -m launch progressive chain.yaml --dry-run       shows what would be run, with commands
  python -m launch progressive chain.yaml --redo finetune
  python -m launch progressive chain.yaml --slurm -- --account=lab --partition=gpu"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m launch progressive",
        description=DESCRIPTION,
        epilog="launch/progressive/__init__.py describes the chain file.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("chain", type=Path, metavar="CHAIN.yaml")
    parser.add_argument(
        "--redo",
        action="append",
        default=[],
        metavar="STAGE",
        help="run it again from scratch, with all that depends on it; old folders are archived",
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be run")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--stage", metavar="STAGE", help="run only this one; its inputs must exist")
    group.add_argument(
        "--slurm",
        action="store_true",
        help="submit one job per stage; options after -- are for sbatch",
    )
    return parser


def main(arguments: Sequence[str]) -> None:
    """Runs the command. Raises errors with an `exit_status` for mistakes of the user."""
    own, options = list(arguments), list[str]()
    if "--" in own:
        own, options = own[: own.index("--")], own[own.index("--") + 1 :]
    parsed = parser().parse_args(own)
    if options and not parsed.slurm:
        parser().error("options after -- are for sbatch; add --slurm")
    from launch.progressive.parse import read_chain

    chain = read_chain(parsed.chain)
    if parsed.slurm:
        from launch.progressive.slurm import submit

        submit(chain, parsed.redo, options, parsed.dry_run)
        return
    from launch.progressive.chain_runner import run_chain, run_stage, show_plan

    if parsed.dry_run:
        show_plan(chain, parsed.redo, parsed.stage, dict(os.environ))
    elif parsed.stage:
        run_stage(chain, parsed.stage, parsed.redo)
    else:
        run_chain(chain, parsed.redo)
