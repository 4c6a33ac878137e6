"""The words by which clips are chosen on a command line; nothing heavy is imported here."""

import argparse
from pathlib import Path

from video.cli import at_least
from video.config import Sampling


def add_clip_arguments(parser: argparse.ArgumentParser) -> None:
    """VIDEO..., where in them, at which rate, and where the pictures go."""
    parser.add_argument(
        "videos",
        type=Path,
        nargs="+",
        metavar="VIDEO",
        help="recordings, folders of them, manifests or lists",
    )
    parser.add_argument(
        "--recordings", type=at_least(1, int), metavar="N", help="so many at random (all)"
    )
    parser.add_argument(
        "--at", type=at_least(0, float), metavar="SECONDS", help="where clips begin (anywhere)"
    )
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument(
        "--frame-rate", type=at_least(1e-3, float), metavar="FPS", help="of a clip's frames"
    )
    rate.add_argument(
        "--stride", type=at_least(1, int), metavar="N", help="every so many-th frame instead"
    )
    parser.add_argument("--seed", type=at_least(0, int), default=0, help="of what is random (0)")
    parser.add_argument(
        "--folder-fps",
        type=at_least(1e-3, float),
        default=1.0,
        help="pictures a second of folders (1)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="FOLDER", help="for pictures and films (here)"
    )


def sampling_from(options: argparse.Namespace, otherwise: Sampling) -> Sampling:
    """The rate that was asked for; what else is said of sampling stays."""
    if options.frame_rate is None and options.stride is None:
        return otherwise
    return Sampling(options.frame_rate, options.stride, short_videos=otherwise.short_videos)
