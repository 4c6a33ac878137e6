"""The command line of `python -m finetune`: a recipe to train, or a command."""

from collections.abc import Sequence
from pathlib import Path

from finetune.cli_args import COMMANDS, commands_parser
from launch.recipe_cli import StageProgram, parse_recipe_command

RECIPES = Path(__file__).parent / "recipes"
DESCRIPTION = """\
Trains a classifier on labelled recordings, from any encoder of the field.

  python -m finetune phases_base data.dataset.source=/videos data.dataset.labels=/labels \\
      data.dataset.split=split.yaml backbone.weights=runs/first run=runs/phases

  python -m finetune labels /videos /labels               do the labels fit the recordings?
  python -m finetune merge space.yaml a=a.txt b=b.txt     classes of several sets as one space
  python -m finetune evaluate PREDICTIONS.npz             every figure, from the file alone
  python -m finetune predict VIDEO --run runs/phases      probabilities of every second
  python -m finetune features /videos OUT --weights FILE  features of every second
  python -m finetune attention CHECKPOINT VIDEO           where an encoder looks

Each command has a --help of its own."""


def main(arguments: Sequence[str]) -> None:
    """Runs a command; raises errors with `exit_status` for what the user can mend."""
    if arguments[:1] and arguments[0] in COMMANDS:
        options = commands_parser().parse_args(arguments)
        # heavy libraries only after --help was answered, and each command's own
        if options.command == "attention":
            from finetune.attention.cli import run_attention

            run_attention(options)
            return
        from finetune.commands import PROGRAMS

        PROGRAMS[options.command](options)
        return
    from finetune.config import FinetuneConfig

    program = StageProgram("finetune", DESCRIPTION, RECIPES)
    config = parse_recipe_command(program, FinetuneConfig, arguments)
    if config is not None:
        from finetune.run import finetune

        finetune(config)
