"""`python -m pretrain plan`: the hardware from its options, and the lines of a plan."""

import argparse
import textwrap
from collections.abc import Iterator

from launch.capacity.cards import BY_NAME, CARDS, Card
from launch.capacity.comm_cost import Links
from pretrain.config import PretrainConfig
from pretrain.planning.card_table import PlannedCard, describe_cards
from pretrain.planning.cli_args import ALL_CARDS, CPU_GIB
from pretrain.planning.hardware import STAGES, Hardware, stage_precision, with_precision_of
from pretrain.planning.launch_command import WIDTH, RecipeCall
from pretrain.planning.plan import describe_model, plan, require_even_share


def plan_command(config: PretrainConfig, options: argparse.Namespace) -> None:
    """Prints the plan of a recipe, on the card of `--gpu` or with a line for each card."""
    print("\n".join(_wrapped(_lines(config, options))))


def _lines(config: PretrainConfig, options: argparse.Namespace) -> Iterator[str]:
    if options.cpus is None and options.gpu == ALL_CARDS:
        cards = [_planned(config, options, card) for card in CARDS]
        require_even_share(config, cards[0].hardware)
        cost, line = describe_model(config)
        yield line
        yield f"cards: {cards[0].hardware.name(options.gpus)}; computed, not measured"
        yield from describe_cards(cards, cost.training_flops)
        return
    call = RecipeCall(options.recipe, options.overrides)
    if options.cpus is not None:
        links = _links(options, Links().intra_node)
        memory = options.memory or CPU_GIB
        hardware = Hardware(options.cpus, False, memory, options.peak, options.mfu, links)
        yield from plan(config, hardware._replace(cores=options.cores), options.hours, call)
        return
    card, config, hardware = _planned(config, options, BY_NAME[options.gpu])
    given = [name for name in ("memory", "peak") if getattr(options, name)]
    yield _describe_card(card, hardware, stage_precision(config, True, STAGES[-1]), given)
    yield from plan(config, hardware, options.hours, call)


def _planned(config: PretrainConfig, options: argparse.Namespace, card: Card) -> PlannedCard:
    config = with_precision_of(config, card)
    peak = card.peak_flops(stage_precision(config, True, STAGES[-1]))
    hardware = Hardware(
        options.gpus,
        True,
        options.memory or card.memory_gib,
        options.peak or (peak and peak / 1e12),
        options.mfu,
        _links(options, card.link_gbs * 1e9),
        options.cores,
    )
    return PlannedCard(card, config, hardware)


def _links(options: argparse.Namespace, intra_node: float) -> Links:
    return Links(
        intra_node if options.intra_node_gbs is None else options.intra_node_gbs * 1e9,
        options.inter_node_gbits * 1e9 / 8,
        options.gpus_per_node,
        options.bus_efficiency,
        options.overlap,
    )


def _describe_card(card: Card, hardware: Hardware, precision: str, given: list[str]) -> str:
    source = "; ".join([card.source, *(f"--{name} as given" for name in given)])
    return (
        f"card: {card.name} ({card.device}, {card.bus}), {hardware.memory_gib:g} GiB, "
        f"{hardware.teraflops:g} TFLOP/s in {precision} ({source}); all figures below are "
        "computed, not measured"
    )


def _wrapped(lines: Iterator[str]) -> Iterator[str]:
    """Prose as lines that fit into a terminal; columns stay as they are."""
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()))
        if len(line) <= WIDTH or "  " in line.strip():
            yield line
        else:
            yield from textwrap.wrap(
                line,
                WIDTH,
                subsequent_indent=indent + "  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
