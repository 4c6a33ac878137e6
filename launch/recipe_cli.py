"""The command line of a stage: a recipe with overrides, which is run or only checked."""

import argparse
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from launch.key_help import key_lines, section_lines
from launch.recipe import Config, load_recipe

HELP = ("-h", "--help")


class StageProgram(NamedTuple):
    """A stage as a user calls it."""

    name: str  # after `python -m`
    description: str
    recipes: Path  # the folder of those that are shipped
    check_data: Callable[[Any], list[str]] = lambda config: []
    """What `--check` compares besides: raises as a start would, and returns lines to print."""


def parse_recipe_command(
    program: StageProgram, cls: type[Config], arguments: Sequence[str]
) -> Config | None:
    """The configuration to run; None where help was printed or the recipe only checked.

    Raises ConfigError.
    """
    if len(arguments) == 2 and arguments[0] in HELP:
        print("\n".join(key_lines(cls, arguments[1])))
        return None
    options = recipe_parser(program, cls).parse_intermixed_args(arguments)
    run = f"runs/{Path(options.recipe).stem}"
    config = load_recipe(cls, options.recipe, options.overrides, program.recipes, run=run)
    if options.check:
        from launch.run.session import check_start  # heavy

        for line in check_start(config):
            print(line)
        for line in program.check_data(config):
            print(line)
        print(f"{options.recipe}: valid")
        return None
    return config


def recipe_parser(program: StageProgram, cls: type) -> argparse.ArgumentParser:
    names = ", ".join(sorted(path.stem for path in program.recipes.glob("*.yaml")))
    recipes = textwrap.fill(names, 96, initial_indent="  ", subsequent_indent="  ")
    sections = "\n".join(section_lines(cls))
    parser = argparse.ArgumentParser(
        prog=f"python -m {program.name}",
        description=program.description,
        epilog=f"recipes:\n{recipes}\n\nkeys (`--help KEY` explains one and those below it):\n"
        f"{sections}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_recipe(parser)
    parser.add_argument(
        "--plugins", metavar="A,B", help="modules of yours that add rows, as the key plugins"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="only check whether the run would start; opens no recording",
    )
    parser.add_argument("--local_rank", help=argparse.SUPPRESS)  # deepspeed may inject it
    return parser


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """The recipe and its overrides as positional arguments."""
    parser.add_argument("recipe", help="name of a shipped recipe, or a YAML file")
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="replaces a key")
