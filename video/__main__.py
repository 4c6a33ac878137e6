"""`python -m video`: what can be done with recordings. Imports nothing heavy before it must."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


class _Refused(ValueError):
    """A wrong word on the command line."""

    exit_status = 2


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m video", description="Recordings of surgery.")
    commands = parser.add_subparsers(dest="command", required=True)
    synthesize = commands.add_parser(
        "synthesize", help="render recordings of an operation that never was, with its phases"
    )
    synthesize.add_argument("out", type=Path, help="folder")
    synthesize.add_argument("--recordings", type=int, default=4)
    synthesize.add_argument("--seconds", type=float, default=20.0, help="of each recording")
    synthesize.add_argument("--size", type=int, default=120, help="rows of pixels")
    synthesize.add_argument("--seed", type=int, default=0)
    return parser


def main(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    for name, least in {"recordings": 1, "seconds": 1, "size": 16}.items():
        if getattr(options, name) < least:
            raise _Refused(f"--{name} {getattr(options, name)} is too small; give {least} or more")
    from video.synthetic import synthesize

    files = synthesize(options.out, options.recordings, options.seconds, options.size, options.seed)
    sys.stdout.write(f"{len(files)} recordings of {options.seconds:g} s in {options.out}\n")
    return 0


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
    except (ValueError, OSError) as error:
        status = getattr(error, "exit_status", 0) or (2 if isinstance(error, OSError) else 0)
        if not status:
            raise
        sys.stderr.write(f"video: {error}\n")
    sys.exit(status)
