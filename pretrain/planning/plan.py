"""Estimated memory, steps and time of a recipe, without the hardware for it."""

from collections.abc import Iterator

from launch.capacity.auto_choice import usable_share
from launch.capacity.zero_memory import FREE, GPU_PROGRAM
from launch.errors import ConfigError
from launch.training.lr_schedule import total_steps
from pretrain.config import PretrainConfig
from pretrain.flops import ForwardCost, forward_cost
from pretrain.planning.hardware import (
    GIB,
    Chosen,
    Hardware,
    Memories,
    choose_auto,
    clips_per_second,
    largest_fit,
    model_memories,
    stage_precision,
)
from pretrain.planning.launch_command import RecipeCall, describe_command, worker_count
from pretrain.planning.read_throughput import describe_reading
from pretrain.planning.scaling import scaling
from pretrain.sources import plans_of
from video.clip_sampler import ClipSampler
from video.recording import Recording
from video.text_table import format_table

HEAD = (
    "ZeRO",
    "ckpt",
    "dtype",
    "micro-batch",
    "weights",
    "grads",
    "optim",
    "activ",
    "temp",
    "fixed",
    "total",
)


def require_even_share(config: PretrainConfig, hardware: Hardware) -> None:
    """Raises ConfigError where the devices cannot share a step evenly."""
    clips, copies = config.batch.global_batch_size, config.data.clips_per_read
    if clips % (hardware.devices * copies):
        raise ConfigError(
            f"batch.global_batch_size: {clips} clips cannot be split over "
            f"{hardware.name(hardware.devices)} in reads of {copies} clips; change one of them"
        )


def describe_model(config: PretrainConfig) -> tuple[ForwardCost, str]:
    """The operations of a clip, and a line on them."""
    counts = config.masking.counts(config.encoder.grid)
    cost = forward_cost(config.encoder, config.decoder, counts, config.target)
    return cost, (
        f"model: {config.encoder.size} encoder; {counts.visible} of {counts.tokens} tokens "
        f"visible, {counts.decoded} decoded; {cost.total / 1e9:.4g} GMAC per clip (forward)"
    )


def plan(
    config: PretrainConfig, hardware: Hardware, hours: float | None, call: RecipeCall
) -> Iterator[str]:
    """The plan as lines; raises ConfigError where the devices cannot share a step evenly."""
    require_even_share(config, hardware)
    clips = config.batch.global_batch_size
    cost, line = describe_model(config)
    memories = model_memories(config, hardware.on_gpu)
    yield f"{line}; {memories[0, False].parameters / 1e6:.1f} M parameters with the decoder"
    yield (
        f"step: {clips} clips on {hardware.name(hardware.devices)}, "
        f"{clips // hardware.devices} on each"
    )
    yield (
        f"memory: GiB per device, at the largest micro-batch within {1 - FREE:.0%} of "
        f"{hardware.memory_gib:g} GiB"
    )
    yield from _memory(config, hardware, memories)
    chosen = choose_auto(config, hardware, memories)
    yield _describe_choice(hardware, chosen)
    flops, recompute = cost.training_flops, chosen.choice.recompute
    yield from _time(config, hardware, flops, recompute, hours)
    rate = clips_per_second(hardware, flops, recompute)
    if rate is not None and hardware.on_gpu:
        yield from describe_reading(config, worker_count(config, hardware), rate)
    yield from scaling(config, hardware, memories, flops)
    if chosen.fits:
        yield from describe_command(config, hardware, chosen, call)


def _memory(config: PretrainConfig, hardware: Hardware, memories: Memories) -> Iterator[str]:
    """A row per ZeRO stage, without and with activation checkpointing."""
    rows: list[tuple[str, ...]] = [HEAD]
    for (stage, recompute), needed in memories.items():
        fit = largest_fit(config, hardware, stage, needed, config.batch.global_batch_size)
        sizes = [f"{size / GIB:.2f}" for size in (*fit.memory, fit.memory.total)]
        sizes[-1] += "" if fit.fits else "  does not fit"
        precision = stage_precision(config, hardware.on_gpu, stage)
        clips = f"{fit.micro_batch_size}x{fit.accumulation}"
        rows.append((str(stage), "yes" if recompute else "no", precision, clips, *sizes))
    yield from (f"  {line}" for line in format_table(rows))
    fixed = (
        f"{GPU_PROGRAM / GIB:g} GiB assumed for CUDA's context, NCCL and fragmentation"
        if hardware.on_gpu
        else "the program, without the model and the loader's batches"
    )
    yield (
        "  ckpt: activation checkpointing; micro-batch: clips x accumulated; grads, optim, activ, "
        f"temp: gradients, optimizer states, activations, temporary; fixed: {fixed}"
    )


def _describe_choice(hardware: Hardware, chosen: Chosen) -> str:
    micro_batch, stage, recompute = chosen.choice
    cure = "" if chosen.fits else "; does not fit: take more devices or a larger card"
    return (
        f"run: micro-batch {micro_batch}x{chosen.accumulation}, ZeRO stage {stage}, activations "
        f"{'recomputed' if recompute else 'stored'}: {chosen.memory.total / GIB:.2f} GiB{cure}; "
        f"what is auto uses at most {usable_share(hardware.on_gpu):.0%} of the free memory, here "
        f"of {hardware.memory_gib:g} GiB"
    )


def _time(
    config: PretrainConfig, hardware: Hardware, flops: int, recompute: bool, hours: float | None
) -> Iterator[str]:
    """`flops` train one clip without recomputing activations."""
    reads = _reads_per_epoch(config, hours) if hours is not None else None
    if config.schedule.steps is None and reads is None:
        yield "time: give --hours of recordings; schedule.epochs are passes over them"
        return
    reads_per_step = config.batch.global_batch_size / config.data.clips_per_read
    steps = total_steps(config.schedule, (reads or 0) / reads_per_step)
    total = steps * config.batch.global_batch_size * flops
    epochs = f" = {steps * reads_per_step / reads:.4g} epochs of {hours:g} h" if reads else ""
    yield (
        f"time: {steps} steps{epochs}; {config.batch.global_batch_size} clips per step, "
        f"{flops / 1e12:.3f} TFLOP per clip: {total / 1e18:.3g} EFLOP"
    )
    rate = clips_per_second(hardware, flops, recompute)
    if rate is None:
        return
    per_step = config.batch.global_batch_size / (rate * hardware.devices)
    more = ", a third more work to recompute activations" if recompute else ""
    yield (
        f"  at {hardware.mfu:.0%} MFU of {hardware.teraflops:g} TFLOP/s on "
        f"{hardware.name(hardware.devices)}{more}: {rate * hardware.devices:.0f} clips/s, "
        f"{per_step:.3g} s per step, {steps * per_step / 3600:.3g} h in total"
    )


def _reads_per_epoch(config: PretrainConfig, hours: float) -> int:
    """For one recording of that length; many short ones give slightly fewer."""
    fps = 25.0
    recording = Recording(
        path="planned",
        reader="pyav",
        fps=fps,
        frames=round(hours * 3600 * fps),
        seconds=hours * 3600,
        width=640,
        height=480,
        first=0.0,
        source=next(iter(config.data.named)),
    )
    return ClipSampler(
        [recording], config.encoder.num_frames, plans_of(config.data)
    ).reads_per_epoch
