"""The functions that the benchmarks wrap by name exist."""

from itertools import chain
from pkgutil import resolve_name
from typing import Any

import pytest

from benchmarks import profiled_pretrain, startup_trace
from benchmarks.competitors import COMPETITORS, DEFAULT_COMPETITORS
from benchmarks.overhead import COMPUTING, STAGES

TIMED = profiled_pretrain.TIMED + profiled_pretrain.NESTED


@pytest.mark.parametrize(("owner", "name"), [(owner, name) for owner, name, _ in TIMED])
def test_a_profiled_function_exists(owner: Any, name: str) -> None:
    assert callable(getattr(owner, name))


@pytest.mark.parametrize(("owner", "name"), [row[:2] for row in startup_trace.PHASE_ENDS])
def test_a_function_that_ends_a_startup_phase_exists(owner: str, name: str) -> None:
    assert callable(getattr(resolve_name(owner), name))


def test_the_parts_of_the_overhead_are_profiled() -> None:
    assert set(COMPUTING) <= {part for _, _, part in profiled_pretrain.TIMED}


def test_the_competitors_of_other_tables_exist() -> None:
    assert {*DEFAULT_COMPETITORS, *chain(*STAGES.values())} <= set(COMPETITORS)
