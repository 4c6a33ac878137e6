"""What more GPUs bring to a recipe: a table by ZeRO stage, and what it assumes."""

from collections.abc import Iterator

from launch.capacity.comm_cost import LIVE_VALUES, Links, sent_by_deepspeed, step_time
from launch.capacity.model_memory import ModelMemory
from pretrain.config import PretrainConfig
from pretrain.planning.hardware import STAGES, Fit, Hardware, largest_fit, stage_precision
from pretrain.planning.memory import VALUE_BYTES
from video.text_table import format_table

DEVICES = (8, 64, 512)
HEAD = (
    "GPUs",
    "ZeRO",
    "clips",
    "micro-batch",
    "accumulated",
    "GB sent",
    "s computing",
    "s communicating",
    "s a step",
    "clips/s",
    "efficiency",
)


def scaling(
    config: PretrainConfig,
    machine: Hardware,
    footprints: dict[tuple[int, bool], ModelMemory],
    flops: int,
) -> Iterator[str]:
    """Lines of a table for more GPUs, on which the step is the same.

    `flops` are those that train one clip, without recomputing.
    """
    if machine.teraflops is None or not machine.on_gpu:  # what joins CPUs nobody has assumed
        return
    yield "scaling: of one optimizer step; GB sent by each GPU"
    rows: list[tuple[str, ...]] = [HEAD]
    for devices in DEVICES:
        rows += _rows(config, machine._replace(devices=devices), footprints, flops)
    yield from (f"  {line}" for line in format_table(rows))
    yield from (f"  {line}" for line in _assumptions(config, machine, footprints))


def shared_clips(config: PretrainConfig, devices: int) -> int:
    """Clips of a step: those of the recipe, or the next number that the devices can share."""
    at_once = devices * config.data.clips_per_read
    return -(-config.batch.global_batch_size // at_once) * at_once


def _rows(
    config: PretrainConfig,
    machine: Hardware,
    footprints: dict[tuple[int, bool], ModelMemory],
    flops: int,
) -> Iterator[tuple[str, ...]]:
    clips = shared_clips(config, machine.devices)
    for stage in _comparable(config, machine):
        recompute, fit = _fit(config, machine, stage, footprints, clips)
        yield (
            str(machine.devices),
            str(stage),
            f"{clips}{'*' * (clips != config.batch.global_batch_size)}",
            str(fit.micro_batch_size),
            str(fit.accumulation),
            *_times(
                config,
                machine,
                stage,
                fit,
                footprints[stage, False].parameters,
                flops * (4 / 3 if recompute else 1),
            ),
        )


def _fit(
    config: PretrainConfig,
    machine: Hardware,
    stage: int,
    footprints: dict[tuple[int, bool], ModelMemory],
    clips: int,
) -> tuple[bool, Fit]:
    """Whether activations are recomputed, and the largest micro-batch then."""
    asked = config.engine.activation_checkpointing
    for recompute in (False, True) if asked == "auto" else (asked,):
        fit = largest_fit(config, machine, stage, footprints[stage, recompute], clips)
        if fit.fits:
            break
    return recompute, fit


def _times(
    config: PretrainConfig, machine: Hardware, stage: int, fit: Fit, values: int, flops: float
) -> tuple[str, ...]:
    """Columns from the bytes on."""
    share = fit.micro_batch_size * fit.accumulation
    computing = share * flops / ((machine.teraflops or 0) * 1e12 * machine.mfu)
    value_bytes = VALUE_BYTES[stage_precision(config, machine, stage)]
    sent = sent_by_deepspeed(stage, values, machine.devices, value_bytes, fit.accumulation)
    time = step_time(stage, computing, sent, machine.links, machine.devices)
    return (
        f"{sent.total / 1e9:.3g}",
        f"{time.computing:.3g}",
        f"{time.communicating:.3g}",
        f"{time.total:.3g}",
        f"{share * machine.devices / time.total:.0f}",
        f"{time.efficiency:.0%}{'' if fit.fits else '  does not fit'}",
    )


def _comparable(config: PretrainConfig, machine: Hardware) -> list[int]:
    """Stages that compute in the precision of which the peak is known."""
    precision = stage_precision(config, machine, STAGES[-1])
    return [stage for stage in STAGES if stage_precision(config, machine, stage) == precision]


def _assumptions(
    config: PretrainConfig, machine: Hardware, footprints: dict[tuple[int, bool], ModelMemory]
) -> Iterator[str]:
    links = machine.links
    more = (
        ", a third more work where activations are recomputed"
        if config.engine.activation_checkpointing
        else ""
    )
    yield (
        f"assumed: {machine.mfu:.0%} of {machine.teraflops:g} TFLOP/s at every micro-batch{more}; "
        f"largest micro-batch that fits in {machine.memory_gib:g} GiB"
    )
    yield _links(links)
    yield (
        f"overlap: {links.overlap:.0%} of ZeRO 3's communicating is hidden behind computing; "
        "computing waits for that of the other stages, as DeepSpeed is set up"
    )
    if footprints[STAGES[-1], False].parameters > LIVE_VALUES:
        yield f"ZeRO 3: what is above {LIVE_VALUES:g} weights is gathered twice a micro-batch"
    yield (
        "not counted: the start of collectives, waiting for data or for slower processes, the "
        "optimizer's update; seconds are the least, clips/s the most that there can be"
    )
    if 0 not in _comparable(config, machine):
        yield "ZeRO 0: is left out, for it computes in fp32, whose peak is another"
    if any(shared_clips(config, devices) != config.batch.global_batch_size for devices in DEVICES):
        yield (
            f"*: {config.batch.global_batch_size} clips cannot be shared in reads of "
            f"{config.data.clips_per_read}; this is the next batch.global_batch_size that can"
        )


def _links(links: Links) -> str:
    return (
        f"links: {links.bus_efficiency:.0%} of {links.intra_node / 1e9:g} GB/s inside a node of "
        f"{links.devices_per_node}, and of {links.inter_node * 8e-9:g} Gbit/s for each device "
        f"between nodes: {links.bandwidth(1) / 1e9:.0f} and "
        f"{links.bandwidth(links.devices_per_node + 1) / 1e9:.0f} GB/s around a ring of all"
    )
