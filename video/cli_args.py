"""The arguments of `python -m video`."""

import argparse
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from video import __version__, commands
from video.readers.registry import PreferredReader, selectable_readers


def at_least(minimum: float, kind: type[int] | type[float]) -> Callable[[str], float]:
    """A type of argparse: a number that is not below `minimum`."""

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not value >= minimum:
            raise argparse.ArgumentTypeError(f"{text} is too small; give {minimum:g} or more")
        return value

    return read


def _reader(name: str) -> str:
    try:
        return TypeAdapter[str](PreferredReader).validate_python(name)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(error.errors()[0]["msg"]) from None


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m video",
        description="Check, prepare, preview, time and synthesize surgical recordings.",
    )
    parser.add_argument("--version", action="version", version=f"surgmask {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_check(commands.add_parser("check", help="verify recordings and write a manifest"))
    _add_prepare(commands.add_parser("prepare", help="transcode recordings for fast reading"))
    _add_preview(commands.add_parser("preview", help="draw clips as the network sees them"))
    _add_speed(commands.add_parser("speed", help="measure how fast clips are read"))
    _add_synthesize(
        commands.add_parser("synthesize", help="generate synthetic videos with phase labels")
    )
    return parser


def _add_check(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Decodes every recording completely, verifies random access against that, and finds black "
        "and frozen spans, the field of view and copies. Exit status 1 if a recording is unusable."
    )
    command.add_argument("source", type=Path, help="folder, CSV file with a column path, or list")
    command.add_argument(
        "--out", type=Path, default=Path("manifest.csv"), help="manifest to write (%(default)s)"
    )
    _add_reader_options(command)
    command.set_defaults(run=commands.check)


def _add_prepare(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Transcodes recordings into a new folder. Timestamps are kept; audio and metadata are "
        "dropped. Run the same command again to resume an interrupted call."
    )
    command.add_argument("source", type=Path, help="manifest, folder, CSV file or list")
    command.add_argument("out", type=Path, help="output folder")
    command.add_argument(
        "--form",
        choices=("jpeg", "h264"),
        required=True,
        help="jpeg: JPEG images with an index, the fastest to read; h264: a tenth of the size",
    )
    command.add_argument(
        "--short-side", type=at_least(16, int), default=256, help="in pixels (%(default)s)"
    )
    command.add_argument(
        "--frame-rate", type=at_least(1e-3, float), help="maximum frames per second (all frames)"
    )
    command.add_argument(
        "--quality",
        type=at_least(1, int),
        help="jpeg: 1 to 95, higher is better (85); h264: crf 51 to 1, lower is better (23)",
    )
    command.add_argument(
        "--crop-view", action="store_true", help="crop to the field of view's box (see check)"
    )
    command.add_argument(
        "--leave-out", type=Path, help="CSV file of spans to leave out: path,begin,end"
    )
    _add_common_options(command)
    command.set_defaults(run=commands.prepare)


def _add_preview(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Draws random clips, cropped as for training: a row per clip, with its recording and times."
    )
    command.add_argument("source", type=Path, help="manifest, folder, CSV file or list")
    command.add_argument(
        "--out", type=Path, default=Path("clips.png"), help="image to write (%(default)s)"
    )
    command.add_argument(
        "--clips", type=at_least(1, int), default=6, help="number of clips (%(default)s)"
    )
    command.add_argument(
        "--frames", type=at_least(1, int), default=16, help="per clip (%(default)s)"
    )
    command.add_argument(
        "--image-size", type=at_least(8, int), default=224, help="in pixels (%(default)s)"
    )
    command.add_argument(
        "--frame-rate", type=at_least(1e-3, float), help="frames per second of clips (6.25)"
    )
    command.add_argument(
        "--stride", type=at_least(1, int), help="in frames, instead of --frame-rate"
    )
    add_short_videos(command)
    command.add_argument("--seed", type=at_least(0, int), default=0)
    _add_reader_options(command)
    command.set_defaults(run=commands.preview)


def _add_speed(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Reads random clips of 16 frames of 224x224 from up to 8 recordings, with one process, as "
        "for training."
    )
    command.add_argument("source", type=Path, help="manifest, folder, CSV file or list")
    command.add_argument(
        "--seconds", type=at_least(0.1, float), default=5.0, help="of reading (%(default)g)"
    )
    command.add_argument("--json", action="store_true", help="print a JSON document")
    _add_reader_options(command)
    command.set_defaults(run=commands.speed)


def add_short_videos(parser: argparse.ArgumentParser) -> None:
    """The option of every program that draws clips; as data.sampling.short_videos."""
    parser.add_argument(
        "--short-videos",
        choices=("error", "clamp", "loop"),
        help="recordings shorter than a clip: leave out by name (error, the default), repeat the "
        "last frame, or loop",
    )


def _add_reader_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--reader",
        type=_reader,
        default="pyav",
        help=f"preferred reader of video files: {', '.join(selectable_readers())} (%(default)s)",
    )
    _add_common_options(command)


def add_opening_options(parser: argparse.ArgumentParser) -> None:
    """The options of every program that opens recordings; as data.folder_fps and data.stream."""
    parser.add_argument(
        "--folder-fps",
        type=at_least(1e-3, float),
        default=1.0,
        help="frames per second of folders of images (%(default)g)",
    )
    parser.add_argument(
        "--stream",
        type=at_least(0, int),
        metavar="N",
        help="video stream, as ffprobe counts, of files with several (the largest long one)",
    )


def _add_common_options(command: argparse.ArgumentParser) -> None:
    add_opening_options(command)
    command.add_argument(
        "--processes", type=at_least(0, int), default=0, help="in parallel; 0: one per core"
    )
    command.add_argument(
        "--time-limit",
        type=at_least(1, float),
        default=300.0,
        help="seconds without progress after which a recording counts as unreadable (%(default)s)",
    )


def _add_synthesize(command: argparse.ArgumentParser) -> None:
    command.description = "Generates synthetic endoscopic videos with phase labels, by seed."
    command.add_argument("out", type=Path, help="output folder")
    command.add_argument(
        "--recordings", type=at_least(1, int), default=4, help="number of videos (%(default)s)"
    )
    command.add_argument(
        "--seconds", type=at_least(1, float), default=20.0, help="per recording (%(default)s)"
    )
    command.add_argument(
        "--size", type=at_least(16, int), default=120, help="height in pixels (%(default)s)"
    )
    command.add_argument("--seed", type=at_least(0, int), default=0)
    command.set_defaults(run=commands.synthesize)
