"""The command line of `python -m finetune`: a recipe to train, or a command."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.cli_args import COMMANDS, command_parser
from launch.recipe_cli import StageProgram, parse_recipe_command

if TYPE_CHECKING:
    from finetune.config import FinetuneConfig

RECIPES = Path(__file__).parent / "recipes"
DESCRIPTION = """\
Trains a classifier on labelled recordings, from the encoder of a pretraining run or a published
checkpoint.

  python -m finetune phases_base data.dataset.source=/videos data.dataset.labels=/labels \\
      data.dataset.split=split.yaml backbone.weights=runs/first run=runs/phases

Other commands; each has its own --help:

"""


def main(arguments: Sequence[str]) -> None:
    """Trains, or runs a command. Errors that the user can fix have `exit_status`."""
    if arguments[:1] and arguments[0] in COMMANDS:
        name = arguments[0]
        # keys, files and options in any order
        options = command_parser(name).parse_intermixed_args(arguments[1:])
        module, function = COMMANDS[name].function.split(":")
        getattr(import_module(module), function)(options)
        return
    from finetune.config import FinetuneConfig

    program = StageProgram("finetune", f"{DESCRIPTION}{_command_lines()}", RECIPES, check_weights)
    config = parse_recipe_command(program, FinetuneConfig, arguments)
    if config is not None:
        from finetune.run import finetune

        finetune(config)


def check_weights(config: "FinetuneConfig") -> list[str]:
    """Compares the weights of a new run with its backbone; a resumed run does not read them."""
    from finetune.model.backbone import check_backbone
    from launch.checkpoint.store import CHECKPOINTS_FOLDER, complete_checkpoints

    resumes = complete_checkpoints(Path(config.run) / CHECKPOINTS_FOLDER)
    return [] if resumes else check_backbone(config.backbone)


def _command_lines() -> str:
    usages = [f"  python -m finetune {each.usage}" for each in COMMANDS.values()]
    width = max(map(len, usages)) + 2
    pairs = zip(usages, COMMANDS.values(), strict=True)
    return "\n".join(f"{usage:<{width}}{each.summary}" for usage, each in pairs)
