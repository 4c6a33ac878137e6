"""Starting DeepSpeed: the compiler is not imported, and can be used afterwards."""

import os

import pytest
import torch

from launch.training.deepspeed_config import compiler_disabled
from tests.conftest import run_python

PROGRAM = """
import sys
import torch
from torch import nn
from launch.config import BatchConfig, EngineConfig
from launch.training.engine import Engine
from launch.training.optimizer import AdamWConfig
from launch.distributed.process_group import Processes, init_process_group

init_process_group(Processes(), 600)
batch, config = BatchConfig(1, 1), EngineConfig(zero_stage=int(sys.argv[1]))
engine = Engine(nn.Linear(2, 2), batch, AdamWConfig(), config, Processes())
engine.backward(engine.forward(torch.ones(1, 2)).sum())
engine.step(0.1, 0.0)
print("torch._inductor.compile_fx" in sys.modules)
engine.close()
"""


@pytest.mark.parametrize("stage", ["2", pytest.param("3", marks=pytest.mark.soak)])
def test_an_engine_starts_without_the_compiler(stage: str) -> None:
    lines = run_python("-c", PROGRAM, stage)
    assert lines[-1] == "False"


@pytest.mark.parametrize("before", [None, "0"])
def test_the_compiler_is_back_afterwards(
    monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    monkeypatch.delenv("TORCHDYNAMO_DISABLE", raising=False)
    if before:
        monkeypatch.setenv("TORCHDYNAMO_DISABLE", before)

    def double(x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    with pytest.raises(ValueError, match="of the body"), compiler_disabled():
        assert torch.compile(double) is double
        raise ValueError("of the body")
    assert os.environ.get("TORCHDYNAMO_DISABLE") == before
    assert torch.compile(double, backend="eager") is not double
