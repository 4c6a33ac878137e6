"""The command line of pretraining."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from launch.errors import ConfigError
from launch.recipe import load_recipe
from launch.recipe_cli import StageProgram, parse_recipe_command
from pretrain.config import PretrainConfig
from pretrain.planning.cli_args import add_former, plan_parser

RECIPES = Path(__file__).parent / "recipes"
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
    add_former(parser, "--layout", formats)
    return parser


def plan_recipe(arguments: Sequence[str]) -> None:
    """Prints the plan of a recipe."""
    options = plan_parser().parse_intermixed_args(arguments)
    overrides = ["run=planned", "data.source=planned", *options.overrides]
    config = load_recipe(PretrainConfig, options.recipe, overrides, RECIPES)
    from pretrain.planning.cli import plan_command

    plan_command(config, options)


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
