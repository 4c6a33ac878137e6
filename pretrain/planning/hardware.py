"""The hardware that a run is planned for, and the micro-batches that fit on it."""

from dataclasses import replace
from typing import NamedTuple

import torch

from launch.capacity.auto_choice import (
    AutoChoice,
    choose,
    divisors,
    micro_batches,
    usable_share,
    without_stage0,
)
from launch.capacity.cards import Card
from launch.capacity.comm_cost import Links
from launch.capacity.model_memory import ModelMemory
from launch.capacity.zero_memory import FREE, DeviceMemory, device_memory
from launch.config import EngineConfig
from launch.errors import ConfigError
from launch.training.engine import resolve_precision
from pretrain.config import PretrainConfig
from pretrain.planning.memory import autoencoder_memory

GIB = 2**30
STAGES = range(4)
RECOMPUTED = 4 / 3  # operations of a step with activation checkpointing, relative to one without


class Hardware(NamedTuple):
    """Devices of a planned run."""

    devices: int
    on_gpu: bool
    memory_gib: float  # of one device
    teraflops: float | None  # peak of one device in the run's precision
    mfu: float  # model FLOPs utilization: the share of the peak that training reaches
    links: Links = Links()
    cores: int | None = None  # for each device; None: one more than the recipe has workers

    def name(self, devices: int) -> str:
        word = "GPU" if self.on_gpu else "CPU process"
        return f"{devices} {word}{('s' if self.on_gpu else 'es') * (devices > 1)}"


class Fit(NamedTuple):
    """A micro-batch on one device."""

    micro_batch_size: int
    accumulation: int  # micro-batches per step
    memory: DeviceMemory
    fits: bool


class Chosen(NamedTuple):
    """What a run takes, with values in place of `auto`, and its memory."""

    choice: AutoChoice
    accumulation: int
    memory: DeviceMemory
    fits: bool


Memories = dict[tuple[int, bool], ModelMemory]  # by ZeRO stage and activation checkpointing


def with_precision_of(config: PretrainConfig, card: Card) -> PretrainConfig:
    """In fp16 where the card has no bf16 and the recipe leaves the precision open."""
    engine = config.engine
    if card.peak_flops("bf16") is not None or engine.precision in ("fp16", "fp32"):
        return config
    if engine.precision == "bf16":
        raise ConfigError(
            f"engine.precision: bf16, which {card.name} does not have; take fp16 or fp32"
        )
    stage = 1 if engine.zero_stage == 0 else engine.zero_stage
    return replace(config, engine=replace(engine, precision="fp16", zero_stage=stage))


def stage_precision(config: PretrainConfig, on_gpu: bool, stage: int) -> str:
    """The precision of a run at a ZeRO stage; stage 0 is fp32."""
    precision = "fp32" if stage == 0 else config.engine.precision
    device = torch.device("cuda" if on_gpu else "cpu")
    return resolve_precision(EngineConfig(zero_stage=stage, precision=precision), device)


def model_memories(config: PretrainConfig, on_gpu: bool) -> Memories:
    """Stages of one precision share theirs."""
    precisions = [stage_precision(config, on_gpu, stage) for stage in STAGES]
    memories = {
        (precision, recompute): autoencoder_memory(config, precision, recompute, on_gpu)
        for precision in dict.fromkeys(precisions)
        for recompute in (False, True)
    }
    return {
        (stage, recompute): memories[precisions[stage], recompute]
        for recompute in (False, True)
        for stage in STAGES
    }


def largest_fit(
    config: PretrainConfig, hardware: Hardware, stage: int, memory: ModelMemory, clips: int
) -> Fit:
    """The largest micro-batch that fits, or the smallest where none does.

    `clips` are those of a step on all devices, a multiple of the number of devices.
    """
    share, smallest = clips // hardware.devices, config.data.clips_per_read
    available = hardware.memory_gib * GIB * (1 - FREE)
    sizes = [smallest * number for number in divisors(share // smallest)]
    required = {size: _required(config, hardware, stage, memory, size) for size in sizes}
    size = next((size for size in sizes if required[size].total <= available), smallest)
    return Fit(size, share // size, required[size], required[size].total <= available)


def choose_auto(config: PretrainConfig, hardware: Hardware, memories: Memories) -> Chosen:
    """What a run takes if all of a device's memory is free; keys that are not auto stay."""
    share = config.batch.global_batch_size // hardware.devices
    sizes = micro_batches(
        config.batch.micro_batch_size, share, config.data.clips_per_read, hardware.on_gpu
    )
    engine = without_stage0(config.engine, hardware.on_gpu)
    available = hardware.memory_gib * GIB * usable_share(hardware.on_gpu)

    def total(size: int, stage: int, recompute: bool) -> int:
        return _required(config, hardware, stage, memories[stage, recompute], size).total

    choice = choose(
        engine,
        sizes,
        hardware.on_gpu,
        lambda recompute, stages: {
            stage: next((size for size in sizes if total(size, stage, recompute) <= available), 0)
            for stage in stages
        },
    )
    size, stage, recompute = choice
    required = _required(config, hardware, stage, memories[stage, recompute], size)
    fits = required.total <= hardware.memory_gib * GIB
    return Chosen(choice, share // size, required, fits)


def clips_per_second(hardware: Hardware, flops: float, recompute: bool) -> float | None:
    """Of one device; None where its peak is not known. `flops` are those that train one clip."""
    if hardware.teraflops is None:
        return None
    done = flops * (RECOMPUTED if recompute else 1)
    return hardware.teraflops * 1e12 * hardware.mfu / done


def _required(
    config: PretrainConfig, hardware: Hardware, stage: int, memory: ModelMemory, micro_batch: int
) -> DeviceMemory:
    return device_memory(
        memory,
        config.optimizer,
        stage,
        stage_precision(config, hardware.on_gpu, stage),
        hardware.devices,
        micro_batch,
        offload=stage > 0 and config.engine.offload_optimizer,
        on_gpu=hardware.on_gpu,
    )
