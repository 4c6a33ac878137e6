"""The command line of `python -m encoder`. Commands import torch only where they need it."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from encoder import __version__

FILE = "a file, a folder, or the name of a published model"
PLUGINS = "SURGMASK_PLUGINS"  # environment variable with modules of the user, comma-separated


def main(arguments: Sequence[str]) -> int:
    """Runs a command; returns its exit status."""
    if arguments[:1] == ["attention"]:
        sys.stderr.write("encoder: attention moved: python -m finetune attention\n")
        return 2
    try:
        options = parse(import_plugins(arguments))
    except ImportError as error:
        sys.stderr.write(f"encoder: --plugins: {error}; put the module's folder on PYTHONPATH\n")
        return 2
    from encoder.commands import COMMANDS, run

    return run(COMMANDS[options.command], options)


def import_plugins(arguments: Sequence[str]) -> list[str]:
    """Imports the modules that `--plugins` and the environment name; returns other arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--plugins", default="")
    options, rest = parser.parse_known_args(arguments)
    for name in f"{os.environ.get(PLUGINS, '')},{options.plugins}".split(","):
        try:
            if name:
                importlib.import_module(name)
        except Exception as error:
            raise ImportError(f"{name}: {type(error).__name__}: {error}") from None
    return rest


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Options of a command; `key=value` overrides may stand before or after other options."""
    parser = build_parser(arguments[0] if arguments else "")
    options, rest = parser.parse_known_args(arguments)
    overrides = [word for word in rest if "=" in word and not word.startswith("-")]
    if overrides != rest or (overrides and "overrides" not in options):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if overrides:
        options.overrides = [*options.overrides, *overrides]
    return options


def build_parser(command: str) -> argparse.ArgumentParser:
    """The parser, with the options of one command: those of others would import torch."""
    parser = argparse.ArgumentParser(
        prog="python -m encoder",
        description="Inspect and convert checkpoints of video and image transformers.",
        epilog="--plugins A,B imports modules of yours that add model families or file formats.",
    )
    parser.add_argument("--version", action="version", version=f"surgmask {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (help_text, add_options) in OPTIONS.items():
        added = commands.add_parser(name, help=help_text, description=help_text)
        if name == command:
            add_options(added)
    return parser


def add_inspect_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help=FILE)
    _add_overrides(parser)
    parser.add_argument("--variant", metavar="NAME", help="print the load report of one variant")
    _add_load_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, tensor by tensor")


def add_convert_options(parser: argparse.ArgumentParser) -> None:
    from encoder.checkpoint.formats.registry import writable_formats

    parser.add_argument("file", metavar="FILE", help=FILE)
    parser.add_argument("out", metavar="OUT", help="the new file; a new folder with --to hf")
    _add_overrides(parser)
    parser.add_argument(
        "--to",
        choices=writable_formats(),
        default="own",
        dest="file_format",
        help="file format to write (default: own, this project's)",
    )
    parser.add_argument(
        "--variant", metavar="NAME", help="convert to a model variant (default: the file's model)"
    )
    _add_load_options(parser)


def add_models_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="print this model only")


OPTIONS = {
    "inspect": (
        "print what a checkpoint contains, and what each model variant would load from it",
        add_inspect_options,
    ),
    "convert": ("write the encoder of a checkpoint in another file format", add_convert_options),
    "models": ("list published models by name", add_models_options),
}


def _add_load_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--inflation",
        choices=("average", "center"),
        default="average",
        help="how to inflate 2-D patch embeddings to tubelets (default: average)",
    )
    parser.add_argument(
        "--keep-norm",
        action="store_true",
        help="use the LayerNorm of all tokens for the pooled feature instead of a new one",
    )
    parser.add_argument(
        "--allow-missing",
        "--allow",
        action="append",
        default=[],
        metavar="PATTERN",
        help="tensors that may be newly initialised or skipped, such as 'blocks.11.*'",
    )


def add_override_option(parser: argparse.ArgumentParser) -> None:
    """Overrides as an option, for commands that take other words after the file."""
    parser.add_argument(
        "--override",
        "--told",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=_override_help(),
    )


def _add_overrides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=_override_help())


def _override_help() -> str:
    from encoder.checkpoint.overrides import CheckpointOverrides

    names = ", ".join(CheckpointOverrides.__dataclass_fields__)
    return f"a value that the checkpoint does not record: {names}"
