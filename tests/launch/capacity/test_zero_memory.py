"""The planned memory of a step against real steps of DeepSpeed at every ZeRO stage."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import launch.capacity.zero_memory
from launch.capacity.model_memory import ModelMemory
from launch.capacity.zero_memory import CPU_PROGRAM, device_memory
from launch.training.optimizer import OPTIMIZERS

PROGRAM = str(Path(__file__).parent / "memory_program.py")
CASES = [
    (kind, world_size, precision, buckets)
    for kind in ("adamw", "lion")
    for world_size in (2, 1)
    for precision in ("fp32", "bf16")
    for buckets in (1, 5)
]


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "world_size", "precision", "buckets"), CASES)
def test_steps_hold_what_is_counted(
    together: Callable,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    world_size: int,
    precision: str,
    buckets: int,
) -> None:
    outcomes = together([PROGRAM, precision, str(buckets), kind], world_size)
    assert [outcome.returncode for outcome in outcomes] == [0] * world_size, outcomes[0].stderr
    measured = json.loads(outcomes[0].stdout.splitlines()[-1])
    values = measured["values"]
    monkeypatch.setattr(launch.capacity.zero_memory, "REDUCE_BUCKET", values // buckets)
    ratios = {}
    for stage, peak in measured["peaks"].items():
        counted = device_memory(
            ModelMemory(values, 0, 0),
            OPTIMIZERS[kind](),
            int(stage),
            precision,
            world_size,
            micro_batch=1,
            offload=False,
            on_gpu=False,
        )
        ratios[stage] = round((counted.total - CPU_PROGRAM) / peak, 3)
    assert all(0.97 <= ratio <= 1.05 for ratio in ratios.values()), ratios


def needs(
    stage: int, world_size: int, precision: str = "bf16", clips: int = 3, kind: str = "adamw"
) -> tuple[int, ...]:
    model = ModelMemory(parameters=1000, buffers=8, activations=5000)
    optimizer = OPTIMIZERS[kind]()
    return tuple(
        device_memory(model, optimizer, stage, precision, world_size, clips, False, on_gpu=False)
    )


def test_zero_shares_what_it_says_it_shares() -> None:
    assert needs(0, 4, "fp32") == (4008, 4000, 8000, 15000, 0, CPU_PROGRAM)
    assert needs(1, 4) == (2008, 6000, 3000, 15000, 0, CPU_PROGRAM)
    assert needs(2, 4) == (2008, 1000 + 2000, 3000, 15000, 0, CPU_PROGRAM)
    assert needs(3, 4) == (500 + 2 * 2000 + 8, 1000 + 2000, 3000, 15000, 0, CPU_PROGRAM)
    assert needs(3, 1)[0] == 2008
    assert needs(2, 1)[2] == 12000


def test_copies_take_the_place_of_the_activations() -> None:
    assert needs(1, 4, clips=1)[3:5] == (5000, 6000 - 5000)
    assert needs(1, 4, clips=0)[3:5] == (0, 6000)


def test_lion_has_one_state_less_than_adamw() -> None:
    assert needs(0, 4, "fp32", kind="lion")[2] == 4 * 1000
    assert needs(2, 4, kind="lion")[2] == 8 * 250
    assert needs(2, 1)[2] - needs(2, 1, kind="lion")[2] == 4 * 1000


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_an_offloaded_optimizer_takes_nothing_of_the_device(kind: str) -> None:
    model, optimizer = ModelMemory(1000, 0, 0), OPTIMIZERS[kind]()
    assert device_memory(model, optimizer, 2, "bf16", 1, 1, True, on_gpu=True).optimizer == 0
