"""The machine that a run is planned for, and the micro-batch that fits on it."""

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
    """What a run is planned for."""

    devices: int
    on_gpu: bool
    memory_gib: float  # of one device
    teraflops: float | None  # peak of one device in the run's precision
    mfu: float  # the share of it that training reaches
    links: Links = Links()

    def name(self, devices: int) -> str:
        word = "GPU" if self.on_gpu else "CPU process"
        return f"{devices} {word}{('s' if self.on_gpu else 'es') * (devices > 1)}"


class Fit(NamedTuple):
    """A micro-batch on one device."""

    micro_batch_size: int
    accumulation: int  # micro-batches of a step
    memory: DeviceMemory
    fits: bool


def stage_precision(config: PretrainConfig, machine: Hardware, stage: int) -> str:
    asked = "fp32" if stage == 0 else config.engine.precision
    device = torch.device("cuda" if machine.on_gpu else "cpu")
    return resolve_precision(EngineConfig(zero_stage=stage, precision=asked), device)


def model_memories(
    config: PretrainConfig, machine: Hardware
) -> dict[tuple[int, bool], ModelMemory]:
    """By ZeRO stage and recompute; stages of one precision have the same."""
    precisions = [stage_precision(config, machine, stage) for stage in STAGES]
    known = {
        (precision, recompute): autoencoder_memory(config, precision, recompute, machine.on_gpu)
        for precision in dict.fromkeys(precisions)
        for recompute in (False, True)
    }
    return {
        (stage, recompute): known[precisions[stage], recompute]
        for recompute in (False, True)
        for stage in STAGES
    }


def largest_fit(
    config: PretrainConfig, machine: Hardware, stage: int, needed: ModelMemory, clips: int
) -> Fit:
    """The largest micro-batch that fits, or the smallest where none does.

    `clips` are those of a step, all devices together, and can be shared among the devices.
    """
    needs: Callable[..., DeviceMemory] = partial(
        device_memory,
        needed,
        config.optimizer,
        stage,
        stage_precision(config, machine, stage),
        machine.devices,
        offload=stage > 0 and config.engine.offload_optimizer,
        on_gpu=machine.on_gpu,
    )
    share, smallest = clips // machine.devices, config.data.clips_per_read
    room = machine.memory_gib * GIB * (1 - FREE)
    fitting = [
        micro_batch
        for micro_batch in range(smallest, share + 1, smallest)
        if share % micro_batch == 0 and needs(micro_batch=micro_batch).total <= room
    ]
    micro_batch = max(fitting, default=smallest)
    memory = needs(micro_batch=micro_batch)
    return Fit(micro_batch, share // micro_batch, memory, bool(fitting))
