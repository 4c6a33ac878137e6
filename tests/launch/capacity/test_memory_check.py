"""Activations are recomputed, or a run refused, where it does not fit in memory."""

import os
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import torch.distributed as dist

import launch.capacity.memory_check
from launch.capacity.free_memory import Free
from launch.capacity.memory_check import Loading, MemoryCheck
from launch.capacity.model_memory import ModelMemory
from launch.capacity.zero_memory import CPU_PROGRAM
from launch.config import BatchConfig, EngineConfig
from launch.distributed.process_group import Processes
from launch.errors import ConfigError
from launch.training.optimizer import AdamWConfig

CLIP = 100 * 2**20  # bytes of activations, a quarter of them where they are recomputed


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., MemoryCheck]]:
    """A check with room for `clips` of a micro-batch with stored activations."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)

    def make(clips: float, micro_batch: int, rough: float | None = None, **engine: Any) -> Any:
        room = Free(round(CPU_PROGRAM + clips * CLIP + 16000), "memory of the test")
        monkeypatch.setattr(launch.capacity.memory_check, "free_host_memory", lambda _: room)
        return MemoryCheck(
            EngineConfig(zero_stage=0, **engine),
            AdamWConfig(),
            BatchConfig(micro_batch, micro_batch),
            Processes(),
            Loading(clip_bytes=0, clips_per_read=2, workers=0),
            None if rough is None else ModelMemory(1000, 0, round(rough * CLIP)),
            measure,
        )

    yield make
    dist.destroy_process_group()


def measure(precision: str, recompute: bool, on_gpu: bool) -> ModelMemory:
    assert precision == "fp32" and not on_gpu
    return ModelMemory(1000, 0, CLIP // 4 if recompute else CLIP)


@pytest.mark.parametrize(("micro_batch", "expected"), [(4, False), (8, True)])
def test_auto_recomputes_what_does_not_fit(
    check: Callable[..., MemoryCheck], micro_batch: int, expected: bool
) -> None:
    said: list[str] = []
    chosen = check(7, micro_batch, activation_checkpointing="auto").choose(said.append)
    assert chosen.engine.activation_checkpointing is expected
    assert chosen.batch.micro_batch_size == micro_batch
    line, loading = said
    assert loading.startswith("loading: 0 workers of each process fill 2 micro-batches, 0.00 GiB")
    kept = "recomputed" if expected else "stored"
    assert line.startswith(f"memory: micro-batch {micro_batch}, ZeRO stage 0, activations {kept} (")


@pytest.mark.parametrize(
    ("clips", "read", "before", "expected"),
    [
        (96, 1, None, 6),  # 7 clips fit
        (96, 4, None, 4),
        (96, 1, 3, 3),  # a run resumes with the micro-batch that it had
        (96, 1, 12, 6),  # unless it no longer fits
        (96, 1, 5, 6),  # or no longer divides the step
        (22, 2, None, 2),
        (4, 1, None, 4),
    ],
)
def test_auto_takes_the_largest_micro_batch_that_divides_the_step(
    check: Callable[..., MemoryCheck], clips: int, read: int, before: int | None, expected: int
) -> None:
    made = check(7.4, clips)
    made = replace(
        made,
        batch=BatchConfig(clips, "auto"),
        loading=made.loading._replace(clips_per_read=read),
        micro_batch_before=before,
    )
    assert made.choose(print).batch.micro_batch_size == expected


def test_a_step_that_reads_do_not_divide_is_refused(check: Callable[..., MemoryCheck]) -> None:
    made = replace(check(7, 9), batch=BatchConfig(9, "auto"))
    with pytest.raises(ConfigError, match=r"9 clips are 9 for each of 1 .*multiple of 2; make it"):
        made.choose(print)


class Gpu(NamedTuple):
    """A check on a GPU of a machine without one."""

    check: MemoryCheck

    def choose(self, **settings: Any) -> tuple[Any, Any, Any]:
        """Micro-batch, ZeRO stage and whether activations are recomputed, for 1024 clips."""
        batch = BatchConfig(1024, settings.pop("micro_batch_size", "auto"))
        engine = EngineConfig(**settings)
        chosen = replace(self.check, batch=batch, engine=engine).choose(print)
        stage, recompute = chosen.engine.zero_stage, chosen.engine.activation_checkpointing
        return chosen.batch.micro_batch_size, stage, recompute


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Gpu]]:
    """With `gib` of free memory, shared by `world_size` processes, and a model of `values`."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    for variable in ("CUDA_VISIBLE_DEVICES", "DS_ACCELERATOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(launch.capacity.memory_check, "gather_objects", lambda item: [item])

    def make(gib: float, values: int, clip_mib: int, world_size: int = 8) -> Gpu:
        room = Free(round(gib * 2**30), "memory of the GPU")
        host = Free(2**40, "memory of the machine")
        monkeypatch.setattr(launch.capacity.memory_check, "free_gpu_memory", lambda _: room)
        monkeypatch.setattr(launch.capacity.memory_check, "free_host_memory", lambda _: host)
        memories = {
            recompute: ModelMemory(values, 0, clip_mib * 2**20 // (5 if recompute else 1))
            for recompute in (False, True)
        }

        def measured(precision: str, recompute: bool, on_gpu: bool) -> ModelMemory:
            assert precision == "bf16" and on_gpu
            return memories[recompute]

        return Gpu(
            MemoryCheck(
                EngineConfig(),
                AdamWConfig(),
                BatchConfig(),
                Processes(0, world_size),
                Loading(0, 1, 0),
                None,
                measured,
            )
        )

    return make


AUTO = {"zero_stage": "auto", "activation_checkpointing": "auto"}


def test_a_gpu_gets_a_large_micro_batch_at_the_lowest_stage(
    gpu: Callable[..., Gpu], capsys: pytest.CaptureFixture[str]
) -> None:
    base = gpu(78, 94_000_000, 200)
    assert base.choose(**AUTO) == (128, 1, False)
    assert "; 2 GiB of it are assumed for CUDA and NCCL)" in capsys.readouterr().out
    assert base.choose(**AUTO, micro_batch_size=64) == (64, 1, False)


def test_a_higher_stage_is_taken_where_it_makes_room(gpu: Callable[..., Gpu]) -> None:
    giant = 1_000_000_000
    assert gpu(12, giant, 100, world_size=64).choose(**AUTO) == (16, 2, False)
    assert gpu(78, giant, 100, world_size=64).choose(**AUTO)[1] == 1


def test_activations_are_recomputed_where_few_clips_fit(gpu: Callable[..., Gpu]) -> None:
    giant = gpu(20, 100_000_000, 2000)
    micro_batch, _, recompute = giant.choose(**AUTO)
    assert recompute and micro_batch >= 8
    assert giant.choose(zero_stage="auto", micro_batch_size=2)[2] is False


def test_stage_0_on_a_gpu_is_stage_1_in_bf16(gpu: Callable[..., Gpu]) -> None:
    assert gpu(78, 94_000_000, 200).choose(zero_stage=0, micro_batch_size=8) == (8, 1, False)


@pytest.mark.parametrize(
    ("recompute", "micro_batch", "cures"),
    [
        (False, 12, "set batch.micro_batch_size=6, or set engine.activation_checkpointing=true"),
        (False, 22, "set batch.micro_batch_size=2, or set engine.activation_checkpointing=true"),
        (False, 64, "set batch.micro_batch_size=4"),
        (True, 48, "set batch.micro_batch_size=24"),
        ("auto", 48, "set batch.micro_batch_size=24"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(
    check: Callable[..., MemoryCheck], recompute: Any, micro_batch: int, cures: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        check(7, micro_batch, activation_checkpointing=recompute).choose(print)
    line = str(refused.value)
    assert line.startswith(f"batch.micro_batch_size: {micro_batch} needs about ")
    assert f"1.56 GiB are free (memory of the test); {cures}, or try it" in line


def test_a_model_that_never_fits_names_no_micro_batch(check: Callable[..., MemoryCheck]) -> None:
    with pytest.raises(ConfigError, match="; take a smaller model, or more memory, or try"):
        check(1, 8).choose(print)


def test_the_check_can_be_switched_off(check: Callable[..., MemoryCheck]) -> None:
    made = check(7, 12, memory_check=False)
    assert made.choose(print) == (made.engine, made.batch)


@pytest.mark.parametrize("recompute", [True, False])
def test_what_fits_with_ease_is_not_measured(
    check: Callable[..., MemoryCheck], recompute: bool
) -> None:
    measured: list[str] = []

    def counted(precision: str, recompute: bool, on_gpu: bool) -> ModelMemory:
        measured.append(precision)
        return measure(precision, recompute, on_gpu)

    for micro_batch, expected in ((4, []), (20, ["fp32"])):
        made = check(40, micro_batch, rough=2, activation_checkpointing=recompute)
        assert replace(made, measure=counted).choose(print) == (made.engine, made.batch)
        assert measured == expected


def test_micro_batches_of_the_workers_count() -> None:
    assert Loading(1000, 1, 0).ring_bytes(8) == 2 * 8000
    assert Loading(1000, 1, 3).ring_bytes(8) == 8 * 8000
    line = Loading(2_408_448, 1, 12).describe(64)
    assert "12 workers of each process fill 26 micro-batches, 3.73 GiB of shared memory" in line


def test_the_memory_of_the_workers_is_that_of_the_machine_and_not_a_containers_dev_shm(
    check: Callable[..., MemoryCheck], monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = types.SimpleNamespace(f_bavail=16 * 1024, f_frsize=4096)  # 64 MiB, its default
    monkeypatch.setattr(os, "statvfs", lambda path: {"/dev/shm": docker}[path])
    loading = Loading(clip_bytes=3 * 16 * 224 * 224, clips_per_read=1, workers=4)
    made = replace(check(1000, 64), loading=loading)
    assert made.choose(print) == (made.engine, made.batch)
    with pytest.raises(ConfigError, match=r"are free \(memory of the test\); set batch"):
        replace(check(65, 64), loading=loading).choose(print)
