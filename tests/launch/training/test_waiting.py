"""How often a step makes the host wait for the device, and that bad steps are left out for all."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = str(Path(__file__).parent / "waiting_program.py")
QUIET = [
    ("0", "fp32", "adamw"),
    ("2", "bf16", "adamw"),
    ("1", "bf16", "adamw"),
    ("0", "fp32", "lion"),
    pytest.param("2", "bf16", "lion", marks=pytest.mark.soak),
]
# DeepSpeed decides on the host
WAITING = [("2", "fp32")]


def found(together: Callable, *arguments: str, world_size: int = 1) -> list[dict]:
    outcomes = together([PROGRAM, *arguments], world_size)
    assert all(outcome.returncode == 0 for outcome in outcomes), outcomes[0].stderr
    return [json.loads(outcome.stdout.splitlines()[-1]) for outcome in outcomes]


def left_out(each: dict) -> bool:
    """Whether a bad step alone changed nothing."""
    return (
        each["skipped"]
        and each["bad"] == 0
        and each["steps"] in (4, None)  # None: of an optimizer that counts none
        and each["well"]
        and each["good"] > 0
    )


@pytest.mark.parametrize(("stage", "precision", "kind"), QUIET)
def test_a_step_never_waits_and_a_bad_one_changes_nothing(
    together: Callable, stage: str, precision: str, kind: str
) -> None:
    for each in found(together, stage, precision, kind, world_size=1 + (stage != "0")):
        assert each["waits"] == [{}, {}, {}]
        assert each["norm"] > 0.01, "the gradient is not clipped"
        assert left_out(each)


@pytest.mark.parametrize(("stage", "precision"), WAITING)
def test_the_count_sees_where_deepspeed_waits(
    together: Callable, stage: str, precision: str
) -> None:
    (each,) = found(together, stage, precision, "adamw")
    assert all(sum(waits.values()) > 0 for waits in each["waits"])
    assert left_out(each)
