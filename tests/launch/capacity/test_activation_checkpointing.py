"""When activations are made again: where they would not fit."""

from collections.abc import Iterator

import pytest
import torch.distributed as dist

import launch.capacity.activation_checkpointing
from launch.capacity.activation_checkpointing import available_memory, use_activation_checkpointing
from launch.capacity.model_memory import ModelMemory
from launch.capacity.zero_memory import CPU_PROGRAM
from launch.config import BatchConfig, EngineConfig
from launch.distributed.process_group import Processes

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
        launch.capacity.activation_checkpointing, "memory_of", lambda processes: room
    )
    batch, said = BatchConfig(8, micro_batch), []
    engine = EngineConfig(zero_stage=0, activation_checkpointing="auto")
    assert use_activation_checkpointing(engine, batch, alone, count, said.append) is expected
    (line,) = said
    assert line.startswith(f"activations: {'recomputed' if expected else 'kept'}, a step needs")


@pytest.mark.parametrize("asked", [True, False])
def test_what_is_asked_for_is_not_counted(asked: bool) -> None:
    def never(precision: str, on_gpu: bool) -> ModelMemory:
        raise AssertionError

    engine = EngineConfig(activation_checkpointing=asked)
    assert use_activation_checkpointing(engine, BatchConfig(), Processes(), never, print) is asked


def test_processes_of_a_machine_share_its_memory() -> None:
    assert available_memory(Processes(1, 4, 1, 2)) == available_memory(Processes()) // 2 > 2**28
