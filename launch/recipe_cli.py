"""The command line of a stage: a recipe with overrides, which is run or only checked."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from launch.recipe import Config, key_paths, load_recipe


class StageProgram(NamedTuple):
    """A stage as a user calls it."""

    name: str  # after `python -m`
    description: str
    recipes: Path  # the folder of those that are shipped


def parse_recipe_command(
    program: StageProgram, cls: type[Config], arguments: Sequence[str]
) -> Config | None:
    """The configuration that is to be run; None, and a line, where it was only to be checked.

    Raises ConfigError.
    """
    options = recipe_parser(program, cls).parse_args(arguments)
    run = f"runs/{Path(options.recipe).stem}"
    config = load_recipe(cls, options.recipe, options.overrides, program.recipes, run=run)
    if options.check:
        print(f"{options.recipe}: can be used")
        return None
    return config


def recipe_parser(program: StageProgram, cls: type) -> argparse.ArgumentParser:
    recipes = ", ".join(sorted(path.stem for path in program.recipes.glob("*.yaml")))
    keys = "\n".join(f"  {key}" for key in key_paths(cls))
    parser = argparse.ArgumentParser(
        prog=f"python -m {program.name}",
        description=program.description,
        epilog=f"recipes: {recipes}\n\nkeys:\n{keys}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_recipe(parser)
    parser.add_argument("--check", action="store_true", help="only whether the recipe can be used")
    parser.add_argument("--local_rank", help=argparse.SUPPRESS)  # deepspeed may inject it
    return parser


def add_recipe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", help="name of a shipped recipe, or a YAML file")
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="replaces a key")
