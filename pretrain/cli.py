"""The command line of pretraining."""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from launch.errors import ConfigError
from launch.recipe import load_recipe
from launch.recipe_cli import StageProgram, add_recipe, parse_recipe_command
from pretrain.config import PretrainConfig

RECIPES = Path(__file__).parent / "recipes"
DESCRIPTION = """\
Pretrains a video encoder on unlabeled recordings, as a masked autoencoder.

  python -m pretrain surgery_base data.source=/videos run=runs/first
  deepspeed --module pretrain surgery_base data.source=/videos
  torchrun --nproc_per_node 8 -m pretrain surgery_base data.source=/videos
  python -m pretrain plan surgery_base --gpus 8       memory, steps and time
  python -m pretrain reconstruct runs/first VIDEO     pictures of reconstructed masked clips
  python -m pretrain export runs/first encoder.pth --layout videomae"""


def export_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pretrain export",
        description="Writes the autoencoder of a run's last checkpoint for other programs.",
    )
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("out", type=Path, help="file, or folder for hf; must not exist")
    parser.add_argument("--layout", choices=("own", "videomae", "hf"), default="own")
    return parser


def plan_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pretrain plan",
        description="Memory, steps and time of a recipe, without the machine it is for.",
    )
    add_recipe(parser)
    machine = parser.add_mutually_exclusive_group()
    machine.add_argument("--gpus", type=_positive, default=1, help="of the whole run (1)")
    machine.add_argument("--cpus", type=_positive, help="processes on CPUs instead")
    parser.add_argument("--memory", type=float, default=80, help="GiB of each (80)")
    parser.add_argument("--hours", type=float, help="of all recordings; epochs depend on it")
    parser.add_argument("--peak", type=float, help="TFLOP/s of each (989 of an H100 or H200)")
    parser.add_argument("--mfu", type=float, default=0.4, help="share of the peak reached (0.4)")
    links = parser.add_argument_group("links", "what the table of 8, 64 and 512 GPUs assumes")
    rate = _within(0.001, 1e6)
    links.add_argument("--node", type=_positive, default=8, help="GPUs of a node (8)")
    links.add_argument("--inside", type=rate, default=450, help="GB/s of each in its node (450)")
    links.add_argument("--between", type=rate, default=400, help="Gbit/s of each to others (400)")
    links.add_argument(
        "--reached",
        type=_within(0.01, 1),
        default=0.8,
        help="share of these that collectives reach (0.8)",
    )
    links.add_argument(
        "--overlap",
        type=_within(0, 1),
        default=0.5,
        help="share hidden behind computing at ZeRO 3 (0.5)",
    )
    return parser


def _within(least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:g}")
        return value

    return number


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def plan_recipe(arguments: Sequence[str]) -> None:
    """Prints the plan of a recipe."""
    options = plan_parser().parse_intermixed_args(arguments)
    overrides = ["run=planned", "data.source=planned", *options.overrides]
    config = load_recipe(PretrainConfig, options.recipe, overrides, RECIPES)
    from launch.capacity.comm_cost import Links
    from pretrain.planning.hardware import Hardware
    from pretrain.planning.plan import plan

    devices, on_gpu = options.cpus or options.gpus, options.cpus is None
    peak = options.peak or (989.0 if on_gpu else None)
    links = Links(
        options.inside * 1e9,
        options.between * 1e9 / 8,
        options.node,
        options.reached,
        options.overlap,
    )
    machine = Hardware(devices, on_gpu, options.memory, peak, options.mfu, links)
    print("\n".join(plan(config, machine, options.hours)))


def export_command(arguments: Sequence[str]) -> None:
    """Writes the autoencoder of a run for other programs."""
    options = export_parser().parse_args(arguments)
    from pretrain.checkpoint.export import export_run

    export_run(options.run, options.out, options.layout)


def reconstruct(arguments: Sequence[str]) -> None:
    """Draws reconstructions of masked clips."""
    from pretrain.reconstruction.cli_args import reconstruct_parser

    options = reconstruct_parser().parse_args(arguments)
    from pretrain.reconstruction.cli import reconstruct_command

    reconstruct_command(options)


COMMANDS = {"plan": plan_recipe, "export": export_command, "reconstruct": reconstruct}


def main(arguments: Sequence[str]) -> None:
    """Runs a command or trains a recipe; heavy libraries are imported only after --help.

    Raises errors with `exit_status` for what the user can mend.
    """
    if arguments[:1] == ["completion"]:
        raise ConfigError("completion was renamed: python -m pretrain reconstruct")
    if arguments and arguments[0] in COMMANDS:
        COMMANDS[arguments[0]](arguments[1:])
        return
    program = StageProgram("pretrain", DESCRIPTION, RECIPES)
    config = parse_recipe_command(program, PretrainConfig, arguments)
    if config is not None:
        from pretrain.run import pretrain

        pretrain(config)
