"""What a plan chooses for a card is what a run chooses on it."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist

from launch.capacity.cards import BY_NAME
from launch.capacity.memory_check import Chosen, Loading, MemoryCheck
from launch.capacity.model_memory import ModelMemory
from launch.config import BatchConfig, EngineConfig
from launch.distributed.process_group import Processes
from launch.errors import ConfigError
from launch.recipe import load_recipe
from pretrain.cli import RECIPES
from pretrain.config import PretrainConfig
from pretrain.planning.hardware import GIB, Hardware, choose_auto, with_precision_of
from tests.launch.distributed.gpu_machine import install_machine

MEMORIES = {
    (stage, recompute): ModelMemory(400_000_000, 0, (90 if recompute else 500) * 2**20)
    for recompute in (False, True)
    for stage in range(4)
}


@pytest.fixture(scope="module")
def giant() -> PretrainConfig:
    overrides = ["run=none", "data.source=none", "batch.global_batch_size=512"]
    return load_recipe(PretrainConfig, "giant", overrides, RECIPES)


@pytest.fixture
def run_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Chosen]]:
    """What a run chooses where PyTorch sees one GPU with so many GiB, all free."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    for name in ("CUDA_VISIBLE_DEVICES", "DS_ACCELERATOR"):
        monkeypatch.delenv(name, raising=False)
    install_machine(monkeypatch, ["uuid-0"])
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 0)

    def choose(config: PretrainConfig, gib: float) -> Chosen:
        size = round(gib * GIB)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (size, size))
        return MemoryCheck(
            config.engine,
            config.optimizer,
            config.batch,
            Processes(),
            Loading(0, config.data.clips_per_read, 0),
            None,
            lambda precision, recompute, on_gpu: MEMORIES[1, recompute],
        ).choose(lambda line: None)

    yield choose
    dist.destroy_process_group()


def test_a_plan_chooses_as_a_run_on_that_card(
    giant: PretrainConfig, run_on: Callable[..., Chosen]
) -> None:
    found = set()
    for gib in (3.6, 9, 11, 14, 22, 31, 79, 140):
        for stage in ("auto", 0, 2):
            config = replace(giant, engine=replace(giant.engine, zero_stage=stage))
            planned = choose_auto(config, Hardware(1, True, gib, None, 0.4), MEMORIES)
            if not planned.fits:
                with pytest.raises(ConfigError, match=r"batch\.micro_batch_size: "):
                    run_on(config, gib)
                continue
            run = run_on(config, gib)
            recompute = run.engine.activation_checkpointing
            assert planned.choice == (run.batch.micro_batch, run.engine.stage, recompute)
            assert planned.accumulation * run.batch.micro_batch == 512
            found.add(planned.choice)
    assert len({choice.micro_batch for choice in found}) > 3
    assert {choice.recompute for choice in found} == {False, True}


def test_what_the_recipe_says_stays(giant: PretrainConfig) -> None:
    given = EngineConfig(zero_stage=3, activation_checkpointing=True)
    config = replace(giant, engine=given, batch=BatchConfig(512, 16))
    chosen = choose_auto(config, Hardware(1, True, 80, None, 0.4), MEMORIES)
    assert chosen.choice == (16, 3, True) and chosen.fits
    assert not choose_auto(config, Hardware(1, True, 4, None, 0.4), MEMORIES).fits


def test_a_card_without_bf16_trains_in_fp16(giant: PretrainConfig) -> None:
    card = BY_NAME["v100-32"]
    assert with_precision_of(giant, card).engine.precision == "fp16"
    stage0 = replace(giant, engine=EngineConfig(zero_stage=0))
    assert with_precision_of(stage0, card).engine.zero_stage == 1
    fp32 = replace(giant, engine=EngineConfig(precision="fp32"))
    assert with_precision_of(fp32, card) == fp32
    assert with_precision_of(giant, BY_NAME["a100-40"]) == giant
