"""Memory, steps and time of a recipe, before there is a machine to run it on."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch

from launch.config import EngineConfig
from launch.engine import resolve_precision
from launch.memory import FREE, DeviceMemory, Footprint, device_memory
from launch.recipe import ConfigError
from launch.schedule import total_steps
from pretrain.config import PretrainConfig
from pretrain.cost import forward_cost
from pretrain.footprint import footprint
from pretrain.sources import plans_of
from video.recording import Recording
from video.sampling import ClipSampler
from video.table import table

GIB = 2**30
STAGES = range(4)
HEAD = ("ZeRO", "recompute", "precision", "micro-batch", "accumulated",
        "weights", "gradients", "optimizer", "activations", "program", "total")  # fmt: skip


class Machine(NamedTuple):
    """What a run is planned for."""

    devices: int
    on_gpu: bool
    memory_gib: float  # of one device
    teraflops: float | None  # peak of one device in the run's precision
    mfu: float  # the share of it that training reaches

    def name(self, devices: int) -> str:
        word = "GPU" if self.on_gpu else "CPU process"
        return f"{devices} {word}{('s' if self.on_gpu else 'es') * (devices > 1)}"


def plan(config: PretrainConfig, machine: Machine, hours: float | None) -> list[str]:
    """The plan as lines; raises ConfigError where the step cannot be shared so."""
    clips, copies = config.batch.clips, config.data.clips_per_read
    if clips % (machine.devices * copies):
        raise ConfigError(
            f"batch.clips: {clips} cannot be shared among {machine.name(machine.devices)} in reads "
            f"of {copies} clips; take another number of them, or another batch.clips"
        )
    counts = config.masking.counts(config.encoder.grid)
    cost = forward_cost(config.encoder, config.decoder, counts)
    footprints = _footprints(config, machine)
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
    ]


def _precision(config: PretrainConfig, machine: Machine, stage: int) -> str:
    asked = "fp32" if stage == 0 else config.engine.precision
    device = torch.device("cuda" if machine.on_gpu else "cpu")
    return resolve_precision(EngineConfig(zero_stage=stage, precision=asked), device)


def _footprints(config: PretrainConfig, machine: Machine) -> dict[tuple[int, bool], Footprint]:
    """By ZeRO stage and recompute; stages of one precision have the same."""
    precisions = [_precision(config, machine, stage) for stage in STAGES]
    known = {
        (precision, recompute): footprint(config, precision, recompute, machine.on_gpu)
        for precision in dict.fromkeys(precisions)
        for recompute in (False, True)
    }
    return {
        (stage, recompute): known[precisions[stage], recompute]
        for recompute in (False, True)
        for stage in STAGES
    }


def _memory(
    config: PretrainConfig, machine: Machine, footprints: dict[tuple[int, bool], Footprint]
) -> Iterator[str]:
    """Rows for each ZeRO stage: the largest micro-batch that fits, and what it needs."""
    rows: list[tuple[str, ...]] = [HEAD]
    for (stage, recompute), needed in footprints.items():
        precision = _precision(config, machine, stage)
        needs = partial(
            device_memory, needed, stage, precision, machine.devices,
            offload=stage > 0 and config.engine.offload_optimizer, on_gpu=machine.on_gpu,
        )  # fmt: skip
        head = (str(stage), "yes" if recompute else "no", precision)
        rows.append((*head, *_largest(config, machine, needs)))
    yield from (f"  {line}" for line in table(rows))


def _largest(
    config: PretrainConfig, machine: Machine, needs: Callable[..., DeviceMemory]
) -> tuple[str, ...]:
    """Columns of the largest micro-batch that fits, or of the smallest where none does."""
    share = config.batch.clips // machine.devices
    smallest = config.data.clips_per_read
    room = machine.memory_gib * GIB * (1 - FREE)
    fitting = [
        micro_batch
        for micro_batch in range(smallest, share + 1, smallest)
        if share % micro_batch == 0 and needs(micro_batch=micro_batch).total <= room
    ]
    micro_batch = max(fitting, default=smallest)
    memory = needs(micro_batch=micro_batch)
    sizes = [f"{size / GIB:.2f}" for size in (*memory, memory.total)]
    sizes[-1] += "" if fitting else "  does not fit"
    return (str(micro_batch), str(share // micro_batch), *sizes)


def _time(
    config: PretrainConfig, machine: Machine, flops: int, hours: float | None
) -> Iterator[str]:
    reads = _reads_per_epoch(config, hours) if hours is not None else None
    if config.schedule.steps is None and reads is None:
        yield "time: schedule.epochs are epochs of your recordings; say how long these are: --hours"
        return
    reads_per_step = config.batch.clips / config.data.clips_per_read
    steps = total_steps(config.schedule, (reads or 0) / reads_per_step)
    total = steps * config.batch.clips * flops
    epochs = f" = {steps * reads_per_step / reads:.4g} epochs of {hours:g} h" if reads else ""
    yield (
        f"time: {steps} steps{epochs}, {config.batch.clips} clips each, {flops / 1e12:.3f} TFLOP a "
        f"clip: {total / 1e18:.3g} EFLOP"
    )
    if machine.teraflops is None:
        return
    seconds = total / (machine.devices * machine.teraflops * 1e12 * machine.mfu)
    yield (
        f"  at {machine.mfu:.0%} of {machine.teraflops:g} TFLOP/s on "
        f"{machine.name(machine.devices)}: {steps * config.batch.clips / seconds:.0f} clips/s, "
        f"{seconds / steps:.3g} s a step, {seconds / 3600:.3g} h in all"
    )


def _reads_per_epoch(config: PretrainConfig, hours: float) -> int:
    """As of one recording of that length; many short ones give a little less."""
    fps = 25.0
    recording = Recording(
        path="planned", reader="pyav", fps=fps, frames=round(hours * 3600 * fps),
        seconds=hours * 3600, width=640, height=480, first=0.0,
        source=next(iter(config.data.named)),
    )  # fmt: skip
    return ClipSampler([recording], config.encoder.frames, plans_of(config.data)).reads_per_epoch
