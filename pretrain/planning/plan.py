"""Estimated memory, steps and time of a recipe, without the hardware for it."""

from collections.abc import Iterator

from launch.capacity.model_memory import ModelMemory
from launch.capacity.zero_memory import FREE
from launch.errors import ConfigError
from launch.training.lr_schedule import total_steps
from pretrain.config import PretrainConfig
from pretrain.flops import forward_cost
from pretrain.planning.hardware import GIB, Hardware, largest_fit, model_memories, stage_precision
from pretrain.planning.scaling import scaling
from pretrain.sources import plans_of
from video.clip_sampler import ClipSampler
from video.recording import Recording
from video.text_table import format_table

HEAD = (
    "ZeRO",
    "checkpointing",
    "precision",
    "micro-batch",
    "accumulation",
    "weights",
    "gradients",
    "optimizer",
    "activations",
    "temporary",
    "runtime",
    "total",
)


def plan(config: PretrainConfig, hardware: Hardware, hours: float | None) -> list[str]:
    """The plan as lines; raises ConfigError where the devices cannot share a step evenly."""
    clips, copies = config.batch.global_batch_size, config.data.clips_per_read
    if clips % (hardware.devices * copies):
        raise ConfigError(
            f"batch.global_batch_size: {clips} clips cannot be split over "
            f"{hardware.name(hardware.devices)} in reads of {copies} clips; change one of them"
        )
    counts = config.masking.counts(config.encoder.grid)
    cost = forward_cost(config.encoder, config.decoder, counts, config.target)
    memories = model_memories(config, hardware)
    parameters = memories[0, False].parameters
    return [
        f"model: {config.encoder.size} encoder, {parameters / 1e6:.1f} M parameters with the "
        f"decoder; {counts.visible} of {counts.tokens} tokens visible, {counts.decoded} decoded; "
        f"{cost.total / 1e9:.4g} GMAC per clip (forward)",
        f"step: {clips} clips on {hardware.name(hardware.devices)}, "
        f"{clips // hardware.devices} on each",
        f"memory: GiB per device, at the largest micro-batch within {1 - FREE:.0%} of "
        f"{hardware.memory_gib:g} GiB",
        *_memory(config, hardware, memories),
        *_time(config, hardware, cost.training_flops, hours),
        *scaling(config, hardware, memories, cost.training_flops),
    ]


def _memory(
    config: PretrainConfig, hardware: Hardware, memories: dict[tuple[int, bool], ModelMemory]
) -> Iterator[str]:
    """A row per ZeRO stage, without and with activation checkpointing."""
    rows: list[tuple[str, ...]] = [HEAD]
    for (stage, recompute), needed in memories.items():
        fit = largest_fit(config, hardware, stage, needed, config.batch.global_batch_size)
        sizes = [f"{size / GIB:.2f}" for size in (*fit.memory, fit.memory.total)]
        sizes[-1] += "" if fit.fits else "  does not fit"
        precision = stage_precision(config, hardware, stage)
        counts = str(fit.micro_batch_size), str(fit.accumulation)
        rows.append((str(stage), "yes" if recompute else "no", precision, *counts, *sizes))
    yield from (f"  {line}" for line in format_table(rows))


def _time(
    config: PretrainConfig, hardware: Hardware, flops: int, hours: float | None
) -> Iterator[str]:
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
    if hardware.teraflops is None:
        return
    seconds = total / (hardware.devices * hardware.teraflops * 1e12 * hardware.mfu)
    clips_per_second = steps * config.batch.global_batch_size / seconds
    yield (
        f"  at {hardware.mfu:.0%} MFU of {hardware.teraflops:g} TFLOP/s on "
        f"{hardware.name(hardware.devices)}: {clips_per_second:.0f} clips/s, "
        f"{seconds / steps:.3g} s per step, {seconds / 3600:.3g} h in total"
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
