"""Activations are recomputed, or a run refused, where it does not fit in memory."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

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
    chosen = check(7, micro_batch, activation_checkpointing="auto").choose_recompute(said.append)
    assert chosen is expected
    (line,) = said
    assert line.startswith(f"activations: {'recomputed' if expected else 'stored'}; storing")


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
        check(7, micro_batch, activation_checkpointing=recompute).choose_recompute(print)
    line = str(refused.value)
    assert line.startswith(f"batch.micro_batch_size: {micro_batch} needs about ")
    assert f"1.56 GiB are free (memory of the test); {cures}, or try it" in line


def test_a_model_that_never_fits_names_no_micro_batch(check: Callable[..., MemoryCheck]) -> None:
    with pytest.raises(ConfigError, match="; take a smaller model, or more memory, or try"):
        check(1, 8).choose_recompute(print)


def test_the_check_can_be_switched_off(check: Callable[..., MemoryCheck]) -> None:
    assert check(7, 12, memory_check=False).choose_recompute(print) is False


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
        assert replace(made, measure=counted).choose_recompute(print) is recompute
        assert measured == expected


def test_batches_of_the_workers_count() -> None:
    assert Loading(1000, 1, 0).prefetched(8) == 8000
    assert Loading(1000, 1, 3).prefetched(8) == 48000
