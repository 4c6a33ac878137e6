"""How a stage is started, by machine, allocation and chain file."""

import sys
from pathlib import Path

import pytest

from launch.distributed.local_launcher import launcher_command
from launch.progressive.chain import ChainError
from launch.progressive.launchers import launch_command
from launch.progressive.parse import read_chain
from tests.launch.progressive.chains import write


def test_the_launcher_follows_from_machine_allocation_and_chain_file(tmp_path: Path) -> None:
    text = (
        "processes: 2\nstages:\n  a: {program: pretrain, recipe: demo}\n"
        "  b: {program: pretrain, recipe: demo, processes: 1}\n  c: {program: video check}\n"
    )
    chain = read_chain(write(tmp_path / "c.yaml", text))
    a, b, c = chain.stages
    several = launch_command(a, chain, {"MASTER_PORT": "7"}, 0)
    assert several.command == [*launcher_command(["-1", "-1"], "7"), *a.command]
    assert (several.processes, several.levels) == (2, 1)
    for stage in (b, c):
        assert launch_command(stage, chain, {}, 8).command == [
            sys.executable,
            "-u",
            "-m",
            *stage.command,
        ]
    job = {"SLURM_JOB_ID": "1"}
    assert launch_command(a, chain, job, 8).command[:4] == [
        "srun",
        "--kill-on-bad-exit=0",
        "--wait=120",
        sys.executable,
    ]
    visible = {"MASTER_PORT": "7", "CUDA_VISIBLE_DEVICES": "3,GPU-5,7"}
    first_two = launcher_command(["3", "GPU-5"], "7")
    assert launch_command(a, chain, visible, 8).command == [*first_two, *a.command]
    free = chain._replace(processes=None)
    machines = (({}, 0), ({}, 8), (visible, 8))
    counts = [launch_command(a, free, environment, n).processes for environment, n in machines]
    assert counts == [1, 8, 3]
    for environment, gpus in (({"CUDA_VISIBLE_DEVICES": "3"}, 8), ({}, 1)):
        with pytest.raises(ChainError, match=r"a: GPUs: 2 processes, but .* 1; start 1, show more"):
            launch_command(a, chain, environment, gpus)
    assert "--ntasks=1" in launch_command(c, chain, job, 8).command
    assert launch_command(a, chain, job | {"SLURM_STEP_ID": "0"}, 8).command[0] == sys.executable
