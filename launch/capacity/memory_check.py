"""Whether a run fits in memory, by its estimate, before it is tried."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from launch.capacity.auto_choice import (
    AutoChoice,
    choose,
    divisors,
    micro_batches,
    usable_share,
    without_stage0,
)
from launch.capacity.free_memory import Free, free_gpu_memory, free_host_memory
from launch.capacity.model_memory import ModelMemory
from launch.capacity.zero_memory import GPU_PROGRAM, device_memory
from launch.config import BatchConfig, EngineConfig
from launch.distributed.process_group import Processes, gather_objects
from launch.errors import ConfigError
from launch.training.engine import resolve_precision
from launch.training.optimizer import OptimizerConfig
from launch.training.ring_buffer import num_slots

GIB = 2**30
ASSUMED = f"{GPU_PROGRAM / GIB:g} GiB of it are assumed for CUDA and NCCL"
CLEAR = 0.5  # a rough estimate below this share of what is free needs no exact one


class Chosen(NamedTuple):
    """The configuration of a run without `auto` in what decides its memory."""

    engine: EngineConfig
    batch: BatchConfig


class Loading(NamedTuple):
    """What data loading keeps in memory."""

    clip_bytes: int
    clips_per_read: int  # micro-batches are multiples of it
    workers: int

    def ring_bytes(self, micro_batch: int) -> int:
        """Of the memory that the workers share, without the masks, a hundredth of it."""
        return num_slots(self.workers) * micro_batch * self.clip_bytes

    def describe(self, micro_batch: int) -> str:
        """A line for the start of a run."""
        return (
            f"loading: {self.workers} workers of each process fill {num_slots(self.workers)} "
            f"micro-batches, {self.ring_bytes(micro_batch) / GIB:.2f} GiB of shared memory"
        )


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
    `micro_batch_before` is that of the run's last start: with `auto`, a run resumes with it if it
    still fits.
    `measure(precision, recompute, on_gpu)` is exact and takes seconds.
    """

    engine: EngineConfig
    optimizer: OptimizerConfig
    batch: BatchConfig
    processes: Processes
    loading: Loading
    rough: ModelMemory | None
    measure: Callable[[str, bool, bool], ModelMemory]
    micro_batch_before: int | None = None

    def choose(self, say: Callable[[str], None]) -> Chosen:
        """The configuration with a value in place of each `auto`, told to `say`.

        Raises ConfigError on every process where one of them has too little memory.
        """
        engine, batch = without_stage0(self.engine, self._on_gpu), self.batch
        given = (batch.micro_batch_size, engine.zero_stage, engine.activation_checkpointing)
        if "auto" not in given:
            if self.engine.memory_check and not self._is_clear():
                self._require(batch.micro_batch, engine.stage, given[2] is True)
            say(self.loading.describe(batch.micro_batch))
            return Chosen(engine, batch)
        micro_batch, stage, recompute = self._best(engine)
        usage = self._usage(micro_batch, stage, recompute)
        say(
            f"memory: micro-batch {micro_batch}, ZeRO stage {stage}, activations "
            f"{'recomputed' if recompute else 'stored'} ({usage})"
        )
        say(self.loading.describe(micro_batch))
        if self.engine.memory_check:
            self._require(micro_batch, stage, recompute)
        return Chosen(
            replace(engine, zero_stage=stage, activation_checkpointing=recompute),
            replace(batch, micro_batch_size=micro_batch),
        )

    def _best(self, engine: EngineConfig) -> AutoChoice:
        """The same on every process."""
        sizes = self._micro_batches()

        def fitting(recompute: bool, stages: Sequence[int]) -> Mapping[int, int]:
            model = self._measure(recompute)
            return {
                stage: min(gather_objects(self._first_fit(model, sizes, stage))) for stage in stages
            }

        return choose(engine, sizes, self._on_gpu, fitting)

    def _micro_batches(self) -> list[int]:
        given, multiple = self.batch.micro_batch_size, self.loading.clips_per_read
        share = self.batch.global_batch_size // self.processes.world_size
        if given == "auto" and share % multiple:
            raise ConfigError(
                f"batch.global_batch_size: {self.batch.global_batch_size} clips are {share} for "
                f"each of {self.processes.world_size} processes, not a multiple of {multiple}; "
                f"make it a multiple of {multiple * self.processes.world_size}"
            )
        return micro_batches(given, share, multiple, self._on_gpu, self.micro_batch_before)

    def _first_fit(self, model: ModelMemory, sizes: Sequence[int], stage: int) -> int:
        """The first size that fits with room to spare; 0 where none does."""
        limit = usable_share(self._on_gpu)
        return next((n for n in sizes if self._worst(model, n, stage).excess <= limit), 0)

    def _usage(self, micro_batch: int, stage: int, recompute: bool) -> str:
        """Of the device of this process."""
        need = self._needs(self._measure(recompute), micro_batch, stage)[0]
        usage = f"{need.needed / GIB:.2f} GiB of {need.free.size / GIB:.2f} GiB"
        return f"{usage}; {ASSUMED}" if self._on_gpu else usage

    @property
    def _on_gpu(self) -> bool:
        return self.processes.device.type == "cuda"

    def _measure(self, recompute: bool) -> ModelMemory:
        return self.measure(self._precision, recompute, self._on_gpu)

    @property
    def _precision(self) -> str:
        return resolve_precision(without_stage0(self.engine, self._on_gpu), self.processes.device)

    def _is_clear(self) -> bool:
        """Whether even the rough estimate fits with ease, on every process."""
        stage = without_stage0(self.engine, self._on_gpu).stage
        needs = self._needs(self.rough, self.batch.micro_batch, stage) if self.rough else []
        return all(gather_objects(bool(needs) and all(need.excess < CLEAR for need in needs)))

    def _needs(self, model: ModelMemory, micro_batch: int, stage: int) -> list[Need]:
        """The memory of the device first."""
        step = device_memory(
            model,
            self.optimizer,
            stage,
            self._precision,
            self.processes.world_size,
            micro_batch,
            self.engine.offload_optimizer,
            self._on_gpu,
        ).total
        host, ready = free_host_memory(self.processes), self.loading.ring_bytes(micro_batch)
        if self._on_gpu:
            return [Need(step, free_gpu_memory(self.processes)), Need(ready, host)]
        return [Need(step + ready, host)]

    def _worst(self, model: ModelMemory, micro_batch: int, stage: int) -> Need:
        return max(self._needs(model, micro_batch, stage), key=lambda need: need.excess)

    def _require(self, micro_batch: int, stage: int, recompute: bool) -> None:
        model = self._measure(recompute)
        own = self._worst(model, micro_batch, stage)
        worst = max(gather_objects(own), key=lambda need: need.excess)
        if worst.excess <= 1:
            return
        read = self.loading.clips_per_read
        smaller = [n for n in divisors(micro_batch)[1:] if n % read == 0]
        fits = (n for n in smaller if self._worst(model, n, stage).excess <= 1)
        fitting = min(gather_objects(next(fits, 0)))
        recomputed = self._worst(model if recompute else self._measure(True), micro_batch, stage)
        cures = [f"set batch.micro_batch_size={fitting}"] if fitting else []
        if max(need.excess for need in gather_objects(recomputed)) <= 1:
            cures.append("set engine.activation_checkpointing=true")
        cures = cures or ["take a smaller model, or more memory"]
        raise ConfigError(
            f"batch.micro_batch_size: {micro_batch} needs about {worst.needed / GIB:.2f} GiB in a "
            f"process, of which {worst.free.size / GIB:.2f} GiB are free "
            f"({worst.free.limited_by}); {', or '.join(cures)}, or try it all the same with "
            "engine.memory_check=false"
        )
