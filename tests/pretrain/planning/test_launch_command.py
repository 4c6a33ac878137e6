"""The printed command starts the planned run."""

from dataclasses import replace

import pytest

from launch.capacity.auto_choice import AutoChoice
from launch.capacity.comm_cost import Links
from launch.capacity.zero_memory import DeviceMemory
from launch.recipe import load_recipe
from pretrain.cli import RECIPES
from pretrain.config import PretrainConfig
from pretrain.planning.hardware import Chosen, Hardware
from pretrain.planning.launch_command import RecipeCall, describe_command
from tests.pretrain.planning.commands import commands

USERS = (
    "data.source=/my videos",
    "batch={global_batch_size: 512, micro_batch_size: auto}",
    "engine.zero_stage=1",
)
CHOSEN = Chosen(AutoChoice(64, 3, True), 1, DeviceMemory(0, 0, 0, 0, 0, 0), True)


def loaded(words: list[str]) -> PretrainConfig:
    recipe = words.index("pretrain") + 1
    overrides = ["run=none", *words[recipe + 1 :]]
    return load_recipe(PretrainConfig, words[recipe], overrides, RECIPES)


def typed(
    hardware: Hardware, *overrides: str, precision: str = "auto"
) -> tuple[list[str], list[list[str]]]:
    """The lines and the commands for `surgery_base`."""
    given = ["run=none", "data.source=none", *overrides]
    config = load_recipe(PretrainConfig, "surgery_base", given, RECIPES)
    config = replace(config, engine=replace(config.engine, precision=precision))
    call = RecipeCall("surgery_base", overrides)
    lines = list(describe_command(config, hardware, CHOSEN, call))
    return lines, commands("\n".join(lines))


def test_the_command_has_what_was_planned_and_what_the_user_gave() -> None:
    lines, (here, slurm) = typed(Hardware(8, True, 80, 989, 0.4, cores=8), *USERS)
    assert max(map(len, lines)) <= 100
    assert here[:5] == ["torchrun", "--nproc_per_node", "8", "-m", "pretrain"]
    nodes = ["--nodes=1", "--ntasks-per-node=8", "--gpus-per-node=8", "--cpus-per-task=8"]
    assert slurm[:6] == ["sbatch", *nodes, "launch/slurm/run.sbatch"]
    for words in (here, slurm):
        config = loaded(words)
        assert config.data.source == "/my videos" and config.data.workers == 7
        assert config.batch.global_batch_size == 512 and config.batch.micro_batch == 64
        assert config.engine.stage == 3 and config.engine.activation_checkpointing is True


@pytest.mark.parametrize(
    ("gpus", "starts", "nodes"),
    [(1, ["python", "sbatch"], (1, 1)), (24, ["sbatch"], (3, 8)), (12, ["sbatch"], (2, 6))],
)
def test_nodes_share_the_gpus_evenly(gpus: int, starts: list[str], nodes: tuple[int, int]) -> None:
    _, found = typed(Hardware(gpus, True, 80, 989, 0.4))
    assert [words[0] for words in found] == starts
    assert found[-1][1:3] == [f"--nodes={nodes[0]}", f"--ntasks-per-node={nodes[1]}"]
    workers = loaded(found[-1]).data.workers
    assert found[-1][4] == f"--cpus-per-task={workers + 1}"
    assert "data.source=/videos" in found[-1]


def test_processes_on_cpus_ask_for_no_gpu() -> None:
    hardware = Hardware(2, False, 80, None, 0.4, Links(devices_per_node=2))
    _, found = typed(hardware)
    assert not any("gpus" in word for words in found for word in words)


def test_fp16_is_in_the_command() -> None:
    _, found = typed(Hardware(1, True, 16, 125, 0.4), precision="fp16")
    assert all(loaded(words).engine.precision == "fp16" for words in found)
