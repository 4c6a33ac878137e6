"""What is counted of a step's memory is what real steps of DeepSpeed hold, at every ZeRO stage."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import launch.capacity.zero_memory
from launch.capacity.model_memory import ModelMemory
from launch.capacity.zero_memory import CPU_PROGRAM, device_memory

PROGRAM = str(Path(__file__).parent / "memory_program.py")
CASES = [
    (world_size, precision, buckets)
    for world_size in (2, 1)
    for precision in ("fp32", "bf16")
    for buckets in (1, 5)
]


@pytest.mark.soak
@pytest.mark.parametrize(("world_size", "precision", "buckets"), CASES)
def test_steps_hold_what_is_counted(
    together: Callable,
    monkeypatch: pytest.MonkeyPatch,
    world_size: int,
    precision: str,
    buckets: int,
) -> None:
    outcomes = together([PROGRAM, precision, str(buckets)], world_size)
    assert [outcome.returncode for outcome in outcomes] == [0] * world_size, outcomes[0].stderr
    measured = json.loads(outcomes[0].stdout.splitlines()[-1])
    values = measured["values"]
    monkeypatch.setattr(launch.capacity.zero_memory, "REDUCE_BUCKET", values // buckets)
    ratios = {}
    for stage, peak in measured["peaks"].items():
        counted = device_memory(
            ModelMemory(values, 0, 0), int(stage), precision, world_size, 1, False, on_gpu=False
        )
        ratios[stage] = round((counted.total - CPU_PROGRAM) / peak, 3)
    assert all(0.97 <= ratio <= 1.05 for ratio in ratios.values()), ratios


def needs(stage: int, world_size: int, precision: str = "bf16", clips: int = 3) -> tuple[int, ...]:
    model = ModelMemory(parameters=1000, buffers=8, activations=5000)
    return tuple(device_memory(model, stage, precision, world_size, clips, False, on_gpu=False))


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


def test_moments_of_adamw_may_be_elsewhere() -> None:
    model = ModelMemory(1000, 0, 0)
    assert device_memory(model, 2, "bf16", 1, 1, True, on_gpu=True).optimizer == 0
