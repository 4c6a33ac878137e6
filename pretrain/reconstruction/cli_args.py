"""The words of `python -m pretrain reconstruct`; nothing heavy is imported here."""

import argparse
from typing import get_args

from encoder.cli import add_override_option
from masking import GENERATORS
from pretrain.config import TargetKind
from video.visualize.cli_args import add_clip_arguments


def reconstruct_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pretrain reconstruct",
        description="What a masked autoencoder makes of what it does not see: pictures and films "
        "of original, what the encoder saw, completion and difference, on one scale of colours.",
    )
    parser.add_argument(
        "model",
        metavar="RUN_OR_CHECKPOINT",
        help="a run folder, or a file of this project, VideoMAE (v1, v2), Hugging Face or mae_st",
    )
    add_clip_arguments(parser)
    hides = ", ".join(GENERATORS)
    parser.add_argument(
        "--mask", metavar="KIND", help=f"what is hidden: {hides} (as the run was trained; tube)"
    )
    parser.add_argument("--ratio", type=float, metavar="R", help="share that is hidden (0.9)")
    parser.add_argument(
        "--snap",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="temporal and center hide whole token frames (yes)",
    )
    parser.add_argument(
        "--style",
        choices=("full", "classic"),
        default="full",
        help="classic: original, seen and completion, all frames, no captions",
    )
    add_override_option(parser)
    parser.add_argument(
        "--decoder-heads", type=int, metavar="N", help="where the file does not say it"
    )
    parser.add_argument(
        "--target",
        choices=get_args(TargetKind),
        help="what the decoder was trained to predict, where the file does not say it",
    )
    return parser
