"""Whether a run fits in memory, by its estimate, before it is tried."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from launch.capacity.free_memory import Free, free_gpu_memory, free_host_memory, free_shared_memory
from launch.capacity.model_memory import ModelMemory
from launch.capacity.zero_memory import FREE, device_memory
from launch.config import BatchConfig, EngineConfig
from launch.distributed.process_group import Processes, gather_objects
from launch.errors import ConfigError
from launch.training.engine import resolve_precision
from launch.training.optimizer import OptimizerConfig

GIB = 2**30
PREFETCHED = 2  # micro-batches that each loader worker keeps ready
CLEAR = 0.5  # a rough estimate below this share of what is free needs no exact one


class Loading(NamedTuple):
    """What data loading keeps in memory."""

    clip_bytes: int
    clips_per_read: int
    workers: int

    def prefetched(self, micro_batch: int) -> int:
        """Bytes of the micro-batches that are ready."""
        return max(1, PREFETCHED * self.workers) * micro_batch * self.clip_bytes


class Need(NamedTuple):
    """Bytes that a process needs of a memory, and has."""

    needed: int
    free: Free

    @property
    def excess(self) -> float:
        """Above 1 where it does not fit."""
        return self.needed / max(1, self.free.size)


@dataclass(frozen=True)
class MemoryCheck:
    """The memory of a run on this process. Every process makes the same calls.

    `rough` is an estimate of the model without activation checkpointing, from above.
    `measure(precision, recompute, on_gpu)` is exact and takes seconds.
    """

    engine: EngineConfig
    optimizer: OptimizerConfig
    batch: BatchConfig
    processes: Processes
    loading: Loading
    rough: ModelMemory | None
    measure: Callable[[str, bool, bool], ModelMemory]

    def choose_recompute(self, say: Callable[[str], None]) -> bool:
        """engine.activation_checkpointing; `auto` is true where activations do not fit.

        Raises ConfigError on every process where one of them has too little memory.
        """
        chosen = self.engine.activation_checkpointing
        if chosen != "auto" and (not self.engine.memory_check or self._is_clear()):
            return chosen
        model = self._measure(recompute=chosen is True)
        if chosen == "auto":
            needed, free = self._needs(model, self.batch.micro_batch_size)[0]
            room = round(free.size * (1 - FREE))
            chosen = any(gather_objects(needed > room))
            say(
                f"activations: {'recomputed' if chosen else 'stored'}; storing them takes "
                f"{needed / GIB:.2f} GiB per step, {room / GIB:.2f} GiB are free"
            )
            model = self._measure(recompute=True) if chosen else model
        if self.engine.memory_check:
            self._require(model, chosen)
        return chosen

    @property
    def _on_gpu(self) -> bool:
        return self.processes.device.type == "cuda"

    def _measure(self, recompute: bool) -> ModelMemory:
        precision = resolve_precision(self.engine, self.processes.device)
        return self.measure(precision, recompute, self._on_gpu)

    def _is_clear(self) -> bool:
        """Whether even the rough estimate fits with ease, on every process."""
        needs = self._needs(self.rough, self.batch.micro_batch_size) if self.rough else []
        return all(gather_objects(bool(needs) and all(need.excess < CLEAR for need in needs)))

    def _needs(self, model: ModelMemory, micro_batch: int) -> list[Need]:
        """The memory of the device first."""
        step = device_memory(
            model,
            self.optimizer,
            self.engine.zero_stage,
            resolve_precision(self.engine, self.processes.device),
            self.processes.world_size,
            micro_batch,
            self.engine.offload_optimizer,
            self._on_gpu,
        ).total
        host, ready = free_host_memory(self.processes), self.loading.prefetched(micro_batch)
        if self._on_gpu:
            needs = [Need(step, free_gpu_memory(self.processes)), Need(ready, host)]
        else:
            needs = [Need(step + ready, host)]
        if self.loading.workers:
            shared = free_shared_memory() // self.processes.local_world_size
            needs.append(Need(ready, Free(shared, "shared memory of the workers, /dev/shm")))
        return needs

    def _worst(self, model: ModelMemory, micro_batch: int) -> Need:
        return max(self._needs(model, micro_batch), key=lambda need: need.excess)

    def _require(self, model: ModelMemory, recompute: bool) -> None:
        present = self.batch.micro_batch_size
        worst = max(gather_objects(self._worst(model, present)), key=lambda need: need.excess)
        if worst.excess <= 1:
            return
        fitting = min(gather_objects(self._largest_micro_batch(model)))
        recomputed = model if recompute else self._measure(recompute=True)
        cures = [f"set batch.micro_batch_size={fitting}"] if fitting else []
        if max(need.excess for need in gather_objects(self._worst(recomputed, present))) <= 1:
            cures.append("set engine.activation_checkpointing=true")
        cures = cures or ["take a smaller model, or more memory"]
        raise ConfigError(
            f"batch.micro_batch_size: {self.batch.micro_batch_size} needs about "
            f"{worst.needed / GIB:.2f} GiB in a process, of which {worst.free.size / GIB:.2f} GiB "
            f"are free ({worst.free.limited_by}); {', or '.join(cures)}, or try it all the same "
            "with engine.memory_check=false"
        )

    def _largest_micro_batch(self, model: ModelMemory) -> int:
        """The largest one that fits and divides the present one; 0 where none does."""
        present, read = self.batch.micro_batch_size, self.loading.clips_per_read
        small = [size for size in range(1, math.isqrt(present) + 1) if present % size == 0]
        divisors = sorted({*small, *(present // size for size in small)} - {present}, reverse=True)
        fits = (
            size for size in divisors if size % read == 0 and self._worst(model, size).excess <= 1
        )
        return next(fits, 0)
