"""When a run compiles its model."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch._dynamo.config as dynamo

from launch.config import EngineConfig
from launch.training.compilation import choose_compile

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    suppressed = dynamo.suppress_errors
    yield
    dynamo.suppress_errors = suppressed
    torch.distributed.destroy_process_group()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs, the only one on PATH, and triton."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr("launch.training.compilation.find_spec", lambda name: name == "triton")
    return tmp_path


def program(folder: Path, name: str) -> None:
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)


def chosen(device: torch.device, **engine: object) -> tuple[bool, list[str]]:
    lines: list[str] = []
    return choose_compile(EngineConfig(**engine), device, lines.append), lines


def test_auto_compiles_on_a_gpu_with_a_compiler(machine: Path) -> None:
    program(machine, "gcc")
    compiles, (line,) = chosen(GPU)
    assert compiles and "compiling on the first step" in line
    assert dynamo.suppress_errors, "what cannot be compiled runs as it is"


def test_auto_is_silent_where_it_never_compiles(machine: Path) -> None:
    program(machine, "gcc")
    assert chosen(CPU) == (False, [])
    assert chosen(GPU, zero_stage=3) == (False, [])


def test_a_missing_compiler_is_named_with_its_cure(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiles, (line,) = chosen(GPU)
    assert not compiles and "no C compiler; install gcc" in line
    program(machine, "mycc")
    monkeypatch.setenv("CC", "mycc")
    assert chosen(GPU)[0]
    monkeypatch.setattr("launch.training.compilation.find_spec", lambda name: None)
    compiles, (line,) = chosen(GPU)
    assert not compiles and "pip install triton" in line


def test_a_given_value_is_taken(machine: Path) -> None:
    dynamo.suppress_errors = False
    assert chosen(CPU, compile=True) == (True, [])
    assert chosen(GPU, compile=False) == (False, [])
    assert not dynamo.suppress_errors, "an error of what was asked for is not hidden"
