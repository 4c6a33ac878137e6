"""`python -m video`: what can be done with recordings. Imports nothing heavy before it must."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def at_least(least: float, kind: type[int] | type[float]) -> Callable[[str], float]:
    """Reads a number from the command line and refuses one that is too small."""

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not value >= least:
            raise argparse.ArgumentTypeError(f"{text} is too small; give {least:g} or more")
        return value

    return read


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m video", description="Recordings of surgery.")
    commands = parser.add_subparsers(dest="command", required=True)
    synthesize = commands.add_parser(
        "synthesize", help="render recordings of an operation that never was, with its phases"
    )
    synthesize.add_argument("out", type=Path, help="folder")
    synthesize.add_argument("--recordings", type=at_least(1, int), default=4)
    synthesize.add_argument(
        "--seconds", type=at_least(1, float), default=20.0, help="of each recording"
    )
    synthesize.add_argument("--size", type=at_least(16, int), default=120, help="rows of pixels")
    synthesize.add_argument("--seed", type=at_least(0, int), default=0)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit status."""
    options = parser().parse_args(arguments)
    from video.synthetic import synthesize

    try:
        files = synthesize(
            options.out, options.recordings, options.seconds, options.size, options.seed
        )
    except OSError as error:
        sys.stderr.write(f"video: {options.out}: {error.strerror}; give another folder\n")
        return 2
    sys.stdout.write(f"{len(files)} recordings of {options.seconds:g} s in {options.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
