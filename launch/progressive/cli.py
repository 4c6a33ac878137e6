"""The command line of `python -m launch progressive`."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

DESCRIPTION = """\
Runs the stages of a chain file one after the other, and goes on where it was stopped.

  python -m launch progressive chain.yaml                 on this machine, or in this allocation
  python -m launch progressive chain.yaml --dry-run       what would be done, with its commands
  python -m launch progressive chain.yaml --redo finetune
  python -m launch progressive chain.yaml --slurm -- --account=lab --partition=gpu"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m launch progressive",
        description=DESCRIPTION,
        epilog="What a chain file may hold stands in launch/progressive/__init__.py.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("chain", type=Path, metavar="CHAIN.yaml")
    parser.add_argument(
        "--redo",
        action="append",
        default=[],
        metavar="STAGE",
        help="begin it anew, and what follows from it; what is there is put aside",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--stage", metavar="STAGE", help="only this one; its inputs must be there")
    where.add_argument(
        "--slurm",
        action="store_true",
        help="submit a job a stage; what follows -- is for sbatch",
    )
    return parser


def main(arguments: Sequence[str]) -> None:
    """Runs the command; raises errors with `exit_status` for what the user can mend."""
    own, options = list(arguments), list[str]()
    if "--" in own:
        own, options = own[: own.index("--")], own[own.index("--") + 1 :]
    parsed = parser().parse_args(own)
    if options and not parsed.slurm:
        parser().error("what follows -- is for sbatch; give --slurm as well")
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
