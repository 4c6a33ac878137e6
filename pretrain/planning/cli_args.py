"""Options of `python -m pretrain plan`; imports nothing heavy."""

import argparse
import math
from collections.abc import Callable
from typing import Any

from launch.capacity.cards import BY_NAME
from launch.nearest import nearest
from launch.recipe_cli import add_recipe

DEFAULT_CARD, ALL_CARDS = "h100-80", "all"
CPU_GIB = 80.0  # where the memory of CPU processes is not given


def plan_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pretrain plan",
        description="Estimates memory, steps and time of a recipe, without the hardware for it, "
        "and prints the command to type.",
    )
    add_recipe(parser)
    devices = parser.add_mutually_exclusive_group()
    devices.add_argument("--gpus", type=_at_least(1), default=1, help="GPUs of the run (1)")
    devices.add_argument("--cpus", type=_at_least(1), help="CPU processes instead of GPUs")
    names = ", ".join(BY_NAME)
    parser.add_argument(
        "--gpu",
        type=_card,
        default=DEFAULT_CARD,
        metavar="CARD",
        help=f"{names}; or {ALL_CARDS}: a line for each ({DEFAULT_CARD})",
    )
    parser.add_argument(
        "--memory", type=_within(0.1, 1e6), help="GiB per device (that of the card)"
    )
    parser.add_argument(
        "--cores",
        type=_at_least(2),
        help="cores per GPU: one trains, the others read (data.workers)",
    )
    parser.add_argument("--hours", type=_within(0.01, 1e9), help="hours of recordings, for epochs")
    parser.add_argument(
        "--peak",
        type=_within(0.001, 1e6),
        help="TFLOP/s per device (that of the card, in the run's precision)",
    )
    parser.add_argument(
        "--mfu", type=_within(0.001, 1), default=0.4, help="model FLOPs utilization (0.4)"
    )
    _add_links(parser)
    return parser


def _add_links(parser: argparse.ArgumentParser) -> None:
    links = parser.add_argument_group("links", "assumptions of the scaling table")
    rate, share = _within(0.001, 1e6), _within(0.01, 1)
    node = links.add_argument("--gpus-per-node", type=_at_least(1), default=8, help="(8)")
    intra = links.add_argument(
        "--intra-node-gbs", type=rate, help="GB/s per GPU within a node (that of the card)"
    )
    inter = links.add_argument(
        "--inter-node-gbits",
        type=rate,
        default=400,
        help="Gbit/s per GPU between nodes (400: InfiniBand NDR)",
    )
    efficiency = links.add_argument(
        "--bus-efficiency",
        type=share,
        default=0.8,
        help="share of these rates that collectives reach (0.8)",
    )
    links.add_argument(
        "--overlap",
        type=_within(0, 1),
        default=0.5,
        help="share of ZeRO 3's communication that overlaps with computation (0.5)",
    )
    add_former(links, "--node", node)
    add_former(links, "--inside", intra)
    add_former(links, "--between", inter)
    add_former(links, "--reached", efficiency)


def add_former(parser: Any, name: str, present: argparse.Action) -> None:
    """A former name of an option, which help does not list."""
    parser.add_argument(
        name,
        dest=present.dest,
        type=present.type,
        default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
    )


def _card(text: str) -> str:
    if text not in BY_NAME and text != ALL_CARDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a known card{nearest(text, BY_NAME)}; give --memory and --peak of "
            "another card"
        )
    return text


def _within(least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:g}")
        return value

    return number


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least {least}")
        return int(text)

    return number
