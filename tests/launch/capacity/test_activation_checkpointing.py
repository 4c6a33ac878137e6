"""Activations are recomputed where they do not fit in memory."""

from collections.abc import Iterator

import pytest
import torch.distributed as dist

import launch.capacity.activation_checkpointing
from launch.capacity.activation_checkpointing import available_memory, use_activation_checkpointing
from launch.capacity.model_memory import ModelMemory
from launch.capacity.zero_memory import CPU_PROGRAM
from launch.config import BatchConfig, EngineConfig
from launch.distributed.process_group import Processes
from launch.training.optimizer import AdamWConfig

CLIP = 100 * 2**20  # bytes of activations


@pytest.fixture
def alone() -> Iterator[Processes]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield Processes()
    dist.destroy_process_group()


def count(precision: str, on_gpu: bool) -> ModelMemory:
    assert precision == "fp32" and not on_gpu
    return ModelMemory(1000, 0, CLIP)


@pytest.mark.parametrize(("micro_batch", "expected"), [(4, False), (8, True)])
def test_auto_recomputes_what_does_not_fit(
    alone: Processes, monkeypatch: pytest.MonkeyPatch, micro_batch: int, expected: bool
) -> None:
    room = (CPU_PROGRAM + 6 * CLIP) / 0.95
    monkeypatch.setattr(
        launch.capacity.activation_checkpointing, "available_memory", lambda processes: room
    )
    batch, said = BatchConfig(8, micro_batch), []
    engine = EngineConfig(zero_stage=0, activation_checkpointing="auto")
    optimizer = AdamWConfig()
    chosen = use_activation_checkpointing(engine, optimizer, batch, alone, count, said.append)
    assert chosen is expected
    (line,) = said
    assert line.startswith(f"activations: {'recomputed' if expected else 'stored'}; storing")


@pytest.mark.parametrize("value", [True, False])
def test_an_explicit_value_is_taken_without_counting(value: bool) -> None:
    def never(precision: str, on_gpu: bool) -> ModelMemory:
        raise AssertionError

    engine, batch = EngineConfig(activation_checkpointing=value), BatchConfig()
    chosen = use_activation_checkpointing(engine, AdamWConfig(), batch, Processes(), never, print)
    assert chosen is value


def test_processes_of_a_machine_share_its_memory() -> None:
    assert available_memory(Processes(1, 4, 1, 2)) == available_memory(Processes()) // 2 > 2**28
