"""Options of `python -m pretrain reconstruct`. Imports nothing heavy."""

import argparse

from encoder.cli import add_override_option
from masking import GENERATORS
from pretrain.targets.registry import TARGETS
from video.visualize.cli_args import add_clip_arguments


def reconstruct_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pretrain reconstruct",
        description="Reconstructs masked clips with a pretrained autoencoder. Writes images and "
        "videos of original, encoder input, reconstruction and difference.",
    )
    parser.add_argument(
        "model",
        metavar="RUN_OR_CHECKPOINT",
        help="a run folder, or a file of this project, VideoMAE (v1, v2), Hugging Face or mae_st",
    )
    add_clip_arguments(parser)
    kinds = ", ".join(GENERATORS)
    parser.add_argument(
        "--mask",
        metavar="KIND",
        help=f"mask of the encoder: {kinds} (default: the run's; tube for files)",
    )
    parser.add_argument(
        "--ratio", type=float, metavar="R", help="mask ratio (default: the run's; 0.9 for files)"
    )
    parser.add_argument(
        "--snap",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="round the masks temporal and center to token frames (default: yes)",
    )
    parser.add_argument(
        "--style",
        choices=("full", "classic"),
        default="full",
        help="classic: original, encoder input and reconstruction of all frames, without captions",
    )
    add_override_option(parser)
    parser.add_argument(
        "--decoder-heads",
        type=int,
        metavar="N",
        help="attention heads of the decoder, where the file does not record them",
    )
    parser.add_argument(
        "--target",
        choices=list(TARGETS),
        help="pretraining target, where the file does not record it",
    )
    return parser
