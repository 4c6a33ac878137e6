"""Whether activations are recomputed, decided by the memory of the device."""

import os
from collections.abc import Callable

import torch

from launch.capacity.model_memory import ModelMemory
from launch.capacity.zero_memory import FREE, device_memory
from launch.config import BatchConfig, EngineConfig
from launch.distributed.process_group import Processes, any_rank
from launch.training.engine import resolve_precision
from launch.training.optimizer import OptimizerConfig

GIB = 2**30


def use_activation_checkpointing(
    engine: EngineConfig,
    optimizer: OptimizerConfig,
    batch: BatchConfig,
    processes: Processes,
    count: Callable[[str, bool], ModelMemory],
    say: Callable[[str], None],
) -> bool:
    """engine.activation_checkpointing; `auto` is true where activations do not fit in memory.

    `count(precision, on_gpu)` is the model's memory without recomputation. The result is the same
    on every process, because recomputation under ZeRO 3 gathers the weights once more.
    """
    if engine.activation_checkpointing != "auto":
        return engine.activation_checkpointing
    on_gpu = processes.device.type == "cuda"
    precision = resolve_precision(engine, processes.device)
    needed = device_memory(
        count(precision, on_gpu),
        optimizer,
        engine.zero_stage,
        precision,
        processes.world_size,
        batch.micro_batch_size,
        engine.offload_optimizer,
        on_gpu,
    ).total
    room = round(available_memory(processes) * (1 - FREE))
    (chosen,) = any_rank(needed > room)
    say(
        f"activations: {'recomputed' if chosen else 'stored'}; storing them takes "
        f"{needed / GIB:.2f} GiB per step, {room / GIB:.2f} GiB are available"
    )
    return chosen


def available_memory(processes: Processes) -> int:
    """Bytes of the process's GPU, or of its share of the machine's memory."""
    if processes.device.type == "cuda":
        return torch.cuda.get_device_properties(processes.device).total_memory
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return machine // processes.local_world_size
