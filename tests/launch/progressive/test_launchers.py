"""How a stage is started, by machine, allocation and chain file."""

import sys
from pathlib import Path

import pytest

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
    several = launch_command(a, chain, {"MASTER_PORT": "7"}, 0).command
    assert several == [
        sys.executable,
        "-m",
        "deepspeed.launcher.runner",
        "--num_accelerators",
        "2",
        "--master_port",
        "7",
        "--no_local_rank",
        "--module",
        *a.command,
    ]
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
    visible = {"MASTER_PORT": "7", "CUDA_VISIBLE_DEVICES": "3,5,7"}
    assert launch_command(a, chain, visible, 8).command[3:5] == ["--include", "localhost:3,5"]
    assert "--num_accelerators" in launch_command(a, chain, visible, 0).command
    free = chain._replace(processes=None)
    machines = (({}, 0), ({}, 8), (visible, 8))
    counts = [launch_command(a, free, environment, n).processes for environment, n in machines]
    assert counts == [1, 8, 3]
    with pytest.raises(ChainError, match="a: 2 processes, but CUDA_VISIBLE_DEVICES has 1 GPUs"):
        launch_command(a, chain, {"CUDA_VISIBLE_DEVICES": "3"}, 8)
    named = {"CUDA_VISIBLE_DEVICES": "GPU-8932f937, GPU-46b12a4f"}
    for several, of in ((a, chain), (a, free)):
        with pytest.raises(ChainError, match=r"a: 2 processes, but CUDA_VISIBLE_DEVICES .*'GPU-89"):
            launch_command(several, of, named, 8)
    assert launch_command(b, chain, named, 8).command[0] == sys.executable
    assert "--ntasks=1" in launch_command(c, chain, job, 8).command
    assert launch_command(a, chain, job | {"SLURM_STEP_ID": "0"}, 8).command[0] == sys.executable
