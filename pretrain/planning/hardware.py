"""The hardware that a run is planned for, and the largest micro-batch that fits on it."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch

from launch.capacity.comm_cost import Links
from launch.capacity.model_memory import ModelMemory
from launch.capacity.zero_memory import FREE, DeviceMemory, device_memory
from launch.config import EngineConfig
from launch.training.engine import resolve_precision
from pretrain.config import PretrainConfig
from pretrain.planning.memory import autoencoder_memory

GIB = 2**30
STAGES = range(4)


class Hardware(NamedTuple):
    """Devices of a planned run."""

    devices: int
    on_gpu: bool
    memory_gib: float  # of one device
    teraflops: float | None  # peak of one device in the run's precision
    mfu: float  # model FLOPs utilization: the share of the peak that training reaches
    links: Links = Links()

    def name(self, devices: int) -> str:
        word = "GPU" if self.on_gpu else "CPU process"
        return f"{devices} {word}{('s' if self.on_gpu else 'es') * (devices > 1)}"


class Fit(NamedTuple):
    """A micro-batch on one device."""

    micro_batch_size: int
    accumulation: int  # micro-batches per step
    memory: DeviceMemory
    fits: bool


def stage_precision(config: PretrainConfig, hardware: Hardware, stage: int) -> str:
    """The precision of a run at a ZeRO stage; stage 0 is fp32."""
    precision = "fp32" if stage == 0 else config.engine.precision
    device = torch.device("cuda" if hardware.on_gpu else "cpu")
    return resolve_precision(EngineConfig(zero_stage=stage, precision=precision), device)


def model_memories(
    config: PretrainConfig, hardware: Hardware
) -> dict[tuple[int, bool], ModelMemory]:
    """By ZeRO stage and activation checkpointing; stages of one precision share theirs."""
    precisions = [stage_precision(config, hardware, stage) for stage in STAGES]
    memories = {
        (precision, recompute): autoencoder_memory(config, precision, recompute, hardware.on_gpu)
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
    required: Callable[..., DeviceMemory] = partial(
        device_memory,
        memory,
        config.optimizer,
        stage,
        stage_precision(config, hardware, stage),
        hardware.devices,
        offload=stage > 0 and config.engine.offload_optimizer,
        on_gpu=hardware.on_gpu,
    )
    share, smallest = clips // hardware.devices, config.data.clips_per_read
    available = hardware.memory_gib * GIB * (1 - FREE)
    fitting = [
        micro_batch
        for micro_batch in range(smallest, share + 1, smallest)
        if share % micro_batch == 0 and required(micro_batch=micro_batch).total <= available
    ]
    micro_batch = max(fitting, default=smallest)
    fit = required(micro_batch=micro_batch)
    return Fit(micro_batch, share // micro_batch, fit, bool(fitting))
