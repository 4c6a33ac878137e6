"""The command line of pretraining."""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from launch.errors import ConfigError
from launch.recipe import load_recipe
from launch.recipe_cli import StageProgram, add_recipe, parse_recipe_command
from pretrain.config import PretrainConfig

RECIPES = Path(__file__).parent / "recipes"
H100_TFLOPS = 989.0  # dense bf16, of an H100 or H200
DESCRIPTION = """\
Pretrains a video encoder on unlabeled recordings, as a masked autoencoder.

  python -m pretrain surgery_base data.source=/videos run=runs/first
  deepspeed --module pretrain surgery_base data.source=/videos
  torchrun --nproc_per_node 8 -m pretrain surgery_base data.source=/videos
  python -m pretrain plan surgery_base --gpus 8       memory, steps and time of a recipe
  python -m pretrain reconstruct runs/first VIDEO     images of reconstructed masked clips
  python -m pretrain export runs/first FILE --to hf   the autoencoder for other programs"""


def export_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pretrain export",
        description="Writes the autoencoder of a run's newest checkpoint for other programs.",
    )
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("out", type=Path, help="new file, or new folder for hf")
    formats = parser.add_argument(
        "--to",
        metavar="FORMAT",
        default="own",
        help="own: .safetensors of this project (default); videomae: .pth; hf: Hugging Face folder",
    )
    _add_former(parser, "--layout", formats)
    return parser


def plan_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pretrain plan",
        description="Estimates memory, steps and time of a recipe, without the hardware for it.",
    )
    add_recipe(parser)
    devices = parser.add_mutually_exclusive_group()
    devices.add_argument("--gpus", type=_positive, default=1, help="GPUs of the run (1)")
    devices.add_argument("--cpus", type=_positive, help="CPU processes instead of GPUs")
    parser.add_argument("--memory", type=float, default=80, help="GiB per device (80)")
    parser.add_argument("--hours", type=float, help="hours of recordings, for epochs")
    parser.add_argument(
        "--peak", type=float, help=f"TFLOP/s per device ({H100_TFLOPS:g}: bf16 on H100 or H200)"
    )
    parser.add_argument("--mfu", type=float, default=0.4, help="model FLOPs utilization (0.4)")
    _add_links(parser)
    return parser


def _add_links(parser: argparse.ArgumentParser) -> None:
    links = parser.add_argument_group("links", "assumptions of the scaling table")
    rate, share = _within(0.001, 1e6), _within(0.01, 1)
    node = links.add_argument("--gpus-per-node", type=_positive, default=8, help="(8)")
    intra = links.add_argument(
        "--intra-node-gbs", type=rate, default=450, help="GB/s per GPU within a node (450: NVLink)"
    )
    inter = links.add_argument(
        "--inter-node-gbits",
        type=rate,
        default=400,
        help="Gbit/s per GPU between nodes (400: InfiniBand NDR)",
    )
    efficiency = links.add_argument(
        "--bus-efficiency",
        type=share,
        default=0.8,
        help="share of these rates that collectives reach (0.8)",
    )
    links.add_argument(
        "--overlap",
        type=_within(0, 1),
        default=0.5,
        help="share of ZeRO 3's communication that overlaps with computation (0.5)",
    )
    _add_former(links, "--node", node)
    _add_former(links, "--inside", intra)
    _add_former(links, "--between", inter)
    _add_former(links, "--reached", efficiency)


def _add_former(parser: Any, name: str, present: argparse.Action) -> None:
    """A former name of an option, which help does not list."""
    parser.add_argument(
        name,
        dest=present.dest,
        type=present.type,
        default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
    )


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
    peak = options.peak or (H100_TFLOPS if on_gpu else None)
    links = Links(
        options.intra_node_gbs * 1e9,
        options.inter_node_gbits * 1e9 / 8,
        options.gpus_per_node,
        options.bus_efficiency,
        options.overlap,
    )
    hardware = Hardware(devices, on_gpu, options.memory, peak, options.mfu, links)
    print("\n".join(plan(config, hardware, options.hours)))


def export_autoencoder(arguments: Sequence[str]) -> None:
    """Writes the autoencoder of a run for other programs."""
    options = export_parser().parse_args(arguments)
    from pretrain.checkpoint.export import export_run

    for line in export_run(options.run, options.out, options.to):
        print(line)


def reconstruct(arguments: Sequence[str]) -> None:
    """Writes images of reconstructed masked clips."""
    from pretrain.reconstruction.cli_args import reconstruct_parser

    options = reconstruct_parser().parse_intermixed_args(arguments)
    from pretrain.reconstruction.cli import reconstruct_command

    reconstruct_command(options)


def check_recordings(config: PretrainConfig) -> list[str]:
    """Compares the recordings of a run that would resume; raises and tells what its start would."""
    from launch.checkpoint.store import CHECKPOINTS_FOLDER, complete_checkpoints
    from pretrain.source_changes import compare_sources

    folder = Path(config.run)
    resumes = complete_checkpoints(folder / CHECKPOINTS_FOLDER)
    return compare_sources(config, folder).notes if resumes else []


COMMANDS = {"plan": plan_recipe, "export": export_autoencoder, "reconstruct": reconstruct}


def main(arguments: Sequence[str]) -> None:
    """Runs a command, or trains a recipe; --help imports no heavy library.

    Raises errors with `exit_status` for mistakes of the user.
    """
    if arguments[:1] == ["completion"]:
        raise ConfigError("completion was renamed: python -m pretrain reconstruct")
    if arguments and arguments[0] in COMMANDS:
        COMMANDS[arguments[0]](arguments[1:])
        return
    program = StageProgram("pretrain", DESCRIPTION, RECIPES, check_recordings)
    config = parse_recipe_command(program, PretrainConfig, arguments)
    if config is not None:
        from pretrain.run import pretrain

        pretrain(config)
