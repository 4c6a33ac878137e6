"""Command-line options that select clips; imports nothing heavy."""

import argparse
from dataclasses import replace
from pathlib import Path

from video.cli_args import add_opening_options, add_short_videos, at_least
from video.config import Sampling


def add_clip_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds VIDEO..., the position and frame rate of clips, and the output folder."""
    parser.add_argument(
        "videos",
        type=Path,
        nargs="+",
        metavar="VIDEO",
        help="recordings, folders of them, manifests or lists",
    )
    parser.add_argument(
        "--recordings", type=at_least(1, int), metavar="N", help="number of random recordings (all)"
    )
    parser.add_argument(
        "--at", type=at_least(0, float), metavar="SECONDS", help="start of the clips (random)"
    )
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument(
        "--frame-rate",
        type=at_least(1e-3, float),
        metavar="FPS",
        help="frames per second of a clip",
    )
    rate.add_argument(
        "--stride",
        type=at_least(1, int),
        metavar="N",
        help="every N-th frame, instead of --frame-rate",
    )
    add_short_videos(parser)
    parser.add_argument("--seed", type=at_least(0, int), default=0, help="random seed (0)")
    add_opening_options(parser)
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="FOLDER", help="for images and films (here)"
    )


def sampling_from(options: argparse.Namespace, default: Sampling) -> Sampling:
    """The sampling with the rate and the treatment of short recordings that are given."""
    short = options.short_videos or default.short_videos
    if options.frame_rate is None and options.stride is None:
        return replace(default, short_videos=short)
    return Sampling(options.frame_rate, options.stride, short_videos=short)
