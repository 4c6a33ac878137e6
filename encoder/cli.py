"""The command line of `python -m encoder`."""

import argparse
import sys
from collections.abc import Sequence

FILE = "a file, a folder, or the name of a published model"
LAYOUTS = ("own", "videomae", "hf", "timm", "unified")


def main(arguments: Sequence[str]) -> int:
    """Runs a command; returns its exit status."""
    if arguments[:1] == ["attention"]:
        sys.stderr.write("encoder: attention moved: python -m finetune attention\n")
        return 2
    options = parse(arguments)
    from encoder.commands import PROGRAMS, run  # torch only after --help was answered

    return run(PROGRAMS[options.command], options)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Options of a command; its `key=value` words may stand before or behind other options."""
    built = parser()
    options, rest = built.parse_known_args(arguments)
    behind = [word for word in rest if "=" in word and not word.startswith("-")]
    if behind != rest or (behind and "overrides" not in options):
        built.error(f"unrecognized arguments: {' '.join(rest)}")
    if behind:
        options.overrides = [*options.overrides, *behind]
    return options


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m encoder",
        description="Checkpoints of the field: what they hold, in which layout, where they look.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    inspect = commands.add_parser(
        "inspect", help="what a file holds, and what of it each variant would load"
    )
    inspect.add_argument("file", metavar="FILE", help=FILE)
    _add_overrides(inspect)
    inspect.add_argument("--variant", metavar="NAME", help="the report of one variant, whole")
    _add_choices(inspect)
    inspect.add_argument("--json", action="store_true", help="as JSON, tensor by tensor")
    convert = commands.add_parser("convert", help="write the encoder of a file in another layout")
    convert.add_argument("file", metavar="FILE", help=FILE)
    convert.add_argument("out", metavar="OUT", help="a new file; a new folder --to hf")
    _add_overrides(convert)
    convert.add_argument("--to", choices=LAYOUTS, default="own", dest="layout", help="(own)")
    convert.add_argument("--variant", metavar="NAME", help="as a variant, else as the file has it")
    _add_choices(convert)
    models = commands.add_parser("models", help="published models by name")
    models.add_argument("name", nargs="?", help="where this one comes from")
    return parser


def _add_choices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--inflation",
        choices=("average", "center"),
        default="average",
        help="of patches of one frame to tubelets (average)",
    )
    parser.add_argument(
        "--keep-norm",
        action="store_true",
        help="the norm of all tokens becomes that of the pooled ones, not a fresh one",
    )
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="PATTERN",
        help="tensors that may stay fresh or be left out, such as blocks.11.*",
    )


def add_override_option(parser: argparse.ArgumentParser) -> None:
    """The same words as an option, of commands that take other words behind the file."""
    parser.add_argument(
        "--override",
        "--told",
        dest="overrides",
        action="append",
        default=[],
        metavar="key=value",
        help="what the file does not say, as `python -m encoder inspect` takes it",
    )


def _add_overrides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="what the file does not say: num_heads, num_frames, image_size, normalisation, "
        "activation, norm_eps, pos_embed",
    )
