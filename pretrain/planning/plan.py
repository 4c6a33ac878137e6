"""Memory, steps and time of a recipe, before there is a machine to run it on."""

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
    "recompute",
    "precision",
    "micro-batch",
    "accumulated",
    "weights",
    "gradients",
    "optimizer",
    "activations",
    "copies",
    "program",
    "total",
)


def plan(config: PretrainConfig, machine: Hardware, hours: float | None) -> list[str]:
    """The plan as lines; raises ConfigError where the step cannot be shared so."""
    clips, copies = config.batch.global_batch_size, config.data.clips_per_read
    if clips % (machine.devices * copies):
        raise ConfigError(
            f"batch.global_batch_size: {clips} cannot be divided among "
            f"{machine.name(machine.devices)} in reads of {copies} clips; change one of them"
        )
    counts = config.masking.counts(config.encoder.grid)
    cost = forward_cost(config.encoder, config.decoder, counts, config.target)
    footprints = model_memories(config, machine)
    parameters = footprints[0, False].parameters
    return [
        f"model: {config.encoder.size} encoder, {parameters / 1e6:.1f} M parameters with its "
        f"decoder; {counts.visible} of {counts.tokens} tokens visible, {counts.decoded} decoded; "
        f"{cost.total / 1e9:.2f} GMAC a clip forward",
        f"step: {clips} clips, {clips // machine.devices} on each of "
        f"{machine.name(machine.devices)}",
        f"memory: GiB of each of {machine.name(machine.devices)}, of which {1 - FREE:.0%} of "
        f"{machine.memory_gib:g} are used",
        *_memory(config, machine, footprints),
        *_time(config, machine, cost.training_flops, hours),
        *scaling(config, machine, footprints, cost.training_flops),
    ]


def _memory(
    config: PretrainConfig, machine: Hardware, footprints: dict[tuple[int, bool], ModelMemory]
) -> Iterator[str]:
    """Rows for each ZeRO stage: the largest micro-batch that fits, and what it needs."""
    rows: list[tuple[str, ...]] = [HEAD]
    for (stage, recompute), needed in footprints.items():
        fit = largest_fit(config, machine, stage, needed, config.batch.global_batch_size)
        sizes = [f"{size / GIB:.2f}" for size in (*fit.memory, fit.memory.total)]
        sizes[-1] += "" if fit.fits else "  does not fit"
        precision = stage_precision(config, machine, stage)
        counts = str(fit.micro_batch_size), str(fit.accumulation)
        rows.append((str(stage), "yes" if recompute else "no", precision, *counts, *sizes))
    yield from (f"  {line}" for line in format_table(rows))


def _time(
    config: PretrainConfig, machine: Hardware, flops: int, hours: float | None
) -> Iterator[str]:
    reads = _reads_per_epoch(config, hours) if hours is not None else None
    if config.schedule.steps is None and reads is None:
        yield "time: schedule.epochs are epochs of your recordings; say how long these are: --hours"
        return
    reads_per_step = config.batch.global_batch_size / config.data.clips_per_read
    steps = total_steps(config.schedule, (reads or 0) / reads_per_step)
    total = steps * config.batch.global_batch_size * flops
    epochs = f" = {steps * reads_per_step / reads:.4g} epochs of {hours:g} h" if reads else ""
    yield (
        f"time: {steps} steps{epochs}, {config.batch.global_batch_size} clips each, "
        f"{flops / 1e12:.3f} TFLOP a clip: {total / 1e18:.3g} EFLOP"
    )
    if machine.teraflops is None:
        return
    seconds = total / (machine.devices * machine.teraflops * 1e12 * machine.mfu)
    clips_per_second = steps * config.batch.global_batch_size / seconds
    yield (
        f"  at {machine.mfu:.0%} of {machine.teraflops:g} TFLOP/s on "
        f"{machine.name(machine.devices)}: {clips_per_second:.0f} clips/s, "
        f"{seconds / steps:.3g} s a step, {seconds / 3600:.3g} h in all"
    )


def _reads_per_epoch(config: PretrainConfig, hours: float) -> int:
    """As of one recording of that length; many short ones give a little less."""
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
