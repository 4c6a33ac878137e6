"""Whether activations are recomputed, where a run leaves that to the memory of its device."""

import os
from collections.abc import Callable

import torch

from launch.capacity.model_memory import ModelMemory
from launch.capacity.zero_memory import FREE, device_memory
from launch.config import BatchConfig, EngineConfig
from launch.distributed.process_group import Processes, any_rank
from launch.training.engine import resolve_precision

GIB = 2**30


def use_activation_checkpointing(
    engine: EngineConfig,
    batch: BatchConfig,
    processes: Processes,
    count: Callable[[str, bool], ModelMemory],
    say: Callable[[str], None],
) -> bool:
    """The value of the key, where `auto` is true if the activations would not fit in memory.

    `count(precision, on_gpu)` is what the model needs without. The same on every process, for
    weights of ZeRO 3 are gathered once more where activations are made again.
    """
    if engine.activation_checkpointing != "auto":
        return engine.activation_checkpointing
    on_gpu = processes.device.type == "cuda"
    precision = resolve_precision(engine, processes.device)
    needed = device_memory(
        count(precision, on_gpu),
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
        f"activations: {'recomputed' if chosen else 'kept'}, a step needs {needed / GIB:.2f} GiB "
        f"with them, there are {room / GIB:.2f}"
    )
    return chosen


def available_memory(processes: Processes) -> int:
    """Bytes: of the process's GPU, or its share of the machine's memory."""
    if processes.device.type == "cuda":
        return torch.cuda.get_device_properties(processes.device).total_memory
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return machine // processes.local_world_size
