"""Estimated throughput of a recipe on more GPUs, by ZeRO stage, with its assumptions."""

from collections.abc import Iterator

from launch.capacity.comm_cost import LIVE_VALUES, Links, sent_by_deepspeed, step_time
from pretrain.config import PretrainConfig
from pretrain.planning.hardware import (
    RECOMPUTED,
    STAGES,
    Fit,
    Hardware,
    Memories,
    largest_fit,
    stage_precision,
)
from pretrain.planning.memory import VALUE_BYTES
from video.text_table import format_table

DEVICES = (8, 64, 512)
HEAD = (
    "GPUs",
    "ZeRO",
    "clips",
    "micro-batch",
    "GB sent",
    "compute s",
    "comm. s",
    "step s",
    "clips/s",
    "efficiency",
)


def scaling(
    config: PretrainConfig,
    hardware: Hardware,
    memories: Memories,
    flops: int,
) -> Iterator[str]:
    """Lines of a table for more GPUs with the same clips per step.

    `flops` are the operations that train one clip, without activation checkpointing.
    """
    if hardware.teraflops is None or not hardware.on_gpu:  # no assumptions on links between CPUs
        return
    yield "scaling: one optimizer step; GB sent per GPU"
    rows: list[tuple[str, ...]] = [HEAD]
    for devices in DEVICES:
        rows += _rows(config, hardware._replace(devices=devices), memories, flops)
    yield from (f"  {line}" for line in format_table(rows))
    yield from (f"  {line}" for line in _assumptions(config, hardware, memories))


def shared_clips(config: PretrainConfig, devices: int) -> int:
    """Clips per step: those of the recipe, or the next number that the devices share evenly."""
    at_once = devices * config.data.clips_per_read
    return -(-config.batch.global_batch_size // at_once) * at_once


def _rows(
    config: PretrainConfig,
    hardware: Hardware,
    memories: Memories,
    flops: int,
) -> Iterator[tuple[str, ...]]:
    clips = shared_clips(config, hardware.devices)
    for stage in _comparable(config, hardware):
        recompute, fit = _fit(config, hardware, stage, memories, clips)
        yield (
            str(hardware.devices),
            str(stage),
            f"{clips}{'*' * (clips != config.batch.global_batch_size)}",
            f"{fit.micro_batch_size}x{fit.accumulation}",
            *_times(
                config,
                hardware,
                stage,
                fit,
                memories[stage, False].parameters,
                flops * (RECOMPUTED if recompute else 1),
            ),
        )


def _fit(
    config: PretrainConfig,
    hardware: Hardware,
    stage: int,
    memories: Memories,
    clips: int,
) -> tuple[bool, Fit]:
    """Whether activation checkpointing is on, and the largest micro-batch then."""
    setting = config.engine.activation_checkpointing
    for recompute in (False, True) if setting == "auto" else (setting,):
        fit = largest_fit(config, hardware, stage, memories[stage, recompute], clips)
        if fit.fits:
            break
    return recompute, fit


def _times(
    config: PretrainConfig, hardware: Hardware, stage: int, fit: Fit, values: int, flops: float
) -> tuple[str, ...]:
    """Columns from `GB sent` on."""
    share = fit.micro_batch_size * fit.accumulation
    computing = share * flops / ((hardware.teraflops or 0) * 1e12 * hardware.mfu)
    value_bytes = VALUE_BYTES[stage_precision(config, hardware.on_gpu, stage)]
    sent = sent_by_deepspeed(stage, values, hardware.devices, value_bytes, fit.accumulation)
    time = step_time(stage, computing, sent, hardware.links, hardware.devices)
    return (
        f"{sent.total / 1e9:.3g}",
        f"{time.computing:.3g}",
        f"{time.communicating:.3g}",
        f"{time.total:.3g}",
        f"{share * hardware.devices / time.total:.0f}",
        f"{time.efficiency:.0%}{'' if fit.fits else '  does not fit'}",
    )


def _comparable(config: PretrainConfig, hardware: Hardware) -> list[int]:
    """Stages with the precision of stage 3, to which the peak applies."""
    precision = stage_precision(config, hardware.on_gpu, STAGES[-1])
    return [
        stage for stage in STAGES if stage_precision(config, hardware.on_gpu, stage) == precision
    ]


def _assumptions(config: PretrainConfig, hardware: Hardware, memories: Memories) -> Iterator[str]:
    links = hardware.links
    more = (
        "; activation checkpointing costs a third more"
        if config.engine.activation_checkpointing
        else ""
    )
    yield (
        f"compute: {hardware.mfu:.0%} MFU of {hardware.teraflops:g} TFLOP/s at every micro-batch "
        f"size{more}; the largest micro-batch that fits in {hardware.memory_gib:g} GiB"
    )
    yield _links(links)
    yield (
        f"overlap: {links.overlap:.0%} of the communication overlaps with computation at ZeRO 3, "
        "none at the other stages, as DeepSpeed is configured here"
    )
    if memories[STAGES[-1], False].parameters > LIVE_VALUES:
        yield f"ZeRO 3: weights beyond {LIVE_VALUES:g} are gathered twice per micro-batch"
    yield (
        "not counted: latency of collectives, waiting for data or slower processes, the "
        "optimizer's update; times are lower bounds, clips/s upper bounds"
    )
    if 0 not in _comparable(config, hardware):
        precision = stage_precision(config, hardware.on_gpu, STAGES[-1])
        yield f"ZeRO 0: omitted: fp32, but --peak is for {precision}"
    if any(shared_clips(config, devices) != config.batch.global_batch_size for devices in DEVICES):
        yield (
            f"*: {config.batch.global_batch_size} clips cannot be split evenly in reads of "
            f"{config.data.clips_per_read}; this is the next batch.global_batch_size that can"
        )


def _links(links: Links) -> str:
    return (
        f"links: {links.intra_node / 1e9:g} GB/s per GPU within a node of "
        f"{links.devices_per_node}, {links.inter_node * 8e-9:g} Gbit/s per GPU between nodes, "
        f"{links.bus_efficiency:.0%} bus efficiency: {links.bandwidth(1) / 1e9:.0f} and "
        f"{links.bandwidth(links.devices_per_node + 1) / 1e9:.0f} GB/s in a ring of all GPUs"
    )
