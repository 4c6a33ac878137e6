"""A recipe on every known card: what `auto` chooses there, and how fast it would train."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from launch.capacity.cards import Card
from launch.capacity.zero_memory import GPU_PROGRAM
from pretrain.config import PretrainConfig
from pretrain.planning.hardware import (
    GIB,
    STAGES,
    Chosen,
    Hardware,
    Memories,
    choose_auto,
    clips_per_second,
    model_memories,
    stage_precision,
)
from pretrain.planning.memory import VALUE_BYTES
from pretrain.planning.read_throughput import PREPARED_FORMS, cores_needed
from video.text_table import format_table

HEAD = (
    "card",
    "GiB",
    "bus",
    "dtype",
    "micro-batch",
    "ZeRO",
    "ckpt",
    "used",
    "clips/s",
    "cores: JPEG",
    "H.264",
)


class PlannedCard(NamedTuple):
    """A recipe as it runs on a card, which may change its precision."""

    card: Card
    config: PretrainConfig
    hardware: Hardware


def describe_cards(planned: Sequence[PlannedCard], flops: float) -> Iterator[str]:
    """A row per card; `flops` train one clip."""
    memories: dict[int, Memories] = {}  # by bytes of a value, since measuring takes seconds
    rows: list[tuple[str, ...]] = [HEAD]
    for card, config, hardware in planned:
        precision = stage_precision(config, True, STAGES[-1])
        size = VALUE_BYTES[precision]
        if size not in memories:
            memories[size] = model_memories(config, on_gpu=True)
        chosen = choose_auto(config, hardware, memories[size])
        rows.append((*_card_columns(card, precision), *_columns(config, hardware, chosen, flops)))
    yield from (f"  {line}" for line in format_table(rows))
    yield (
        "  micro-batch: clips x accumulated, as auto chooses them; ckpt: activation checkpointing; "
        f"used: GiB, {GPU_PROGRAM / GIB:g} of them assumed for CUDA's context, NCCL and "
        f"fragmentation; clips/s: of one GPU at {planned[0].hardware.mfu:.0%} MFU; cores: of one "
        "GPU, one of which trains, for prepared recordings"
    )


def _card_columns(card: Card, precision: str) -> tuple[str, ...]:
    return card.name, f"{card.memory_gib:g}", card.bus, precision


def _columns(
    config: PretrainConfig, hardware: Hardware, chosen: Chosen, flops: float
) -> tuple[str, ...]:
    micro_batch, stage, recompute = chosen.choice
    rate = clips_per_second(hardware, flops, recompute)
    cores = [
        "" if rate is None else f"{cores_needed(config, form, rate)}" for form in PREPARED_FORMS
    ]
    return (
        f"{micro_batch}x{chosen.accumulation}",
        str(stage),
        "yes" if recompute else "no",
        f"{chosen.memory.total / GIB:.1f}",
        "" if rate is None else f"{rate:.0f}",
        *cores[:-1],
        cores[-1] + ("" if chosen.fits else "  does not fit"),
    )
