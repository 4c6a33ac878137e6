"""How the processes of a stage are started, by machine, allocation and chain file."""

import sys
from pathlib import Path

import pytest

from launch.progressive.launchers import launch_of
from launch.progressive.parse import read_chain
from launch.progressive.yaml_lines import ChainError
from tests.launch.progressive.chains import written


def test_processes_are_started_as_the_machine_has_them(tmp_path: Path) -> None:
    text = (
        "processes: 2\nstages:\n  a: {program: pretrain, recipe: demo}\n"
        "  b: {program: pretrain, recipe: demo, processes: 1}\n  c: {program: video check}\n"
    )
    chain = read_chain(written(tmp_path / "c.yaml", text))
    a, b, c = chain.stages
    several = launch_of(a, chain, {"MASTER_PORT": "7"}, 0).command
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
        assert launch_of(stage, chain, {}, 8).command == [
            sys.executable,
            "-u",
            "-m",
            *stage.command,
        ]
    job = {"SLURM_JOB_ID": "1"}
    assert launch_of(a, chain, job, 8).command[:4] == [
        "srun",
        "--kill-on-bad-exit=0",
        "--wait=120",
        sys.executable,
    ]
    shown = {"MASTER_PORT": "7", "CUDA_VISIBLE_DEVICES": "3,5,7"}
    assert launch_of(a, chain, shown, 8).command[3:5] == ["--include", "localhost:3,5"]
    assert "--num_accelerators" in launch_of(a, chain, shown, 0).command
    free = chain._replace(processes=None)
    counts = [launch_of(a, free, seen, n).processes for seen, n in (({}, 0), ({}, 8), (shown, 8))]
    assert counts == [1, 8, 3]
    with pytest.raises(ChainError, match="a: 2 processes, and CUDA_VISIBLE_DEVICES shows 1 GPUs"):
        launch_of(a, chain, {"CUDA_VISIBLE_DEVICES": "3"}, 8)
    named = {"CUDA_VISIBLE_DEVICES": "GPU-8932f937, GPU-46b12a4f"}
    for several, of in ((a, chain), (a, free)):
        with pytest.raises(ChainError, match=r"a: 2 processes, and CUDA_VISIBLE_DEVICES .*'GPU-89"):
            launch_of(several, of, named, 8)
    assert launch_of(b, chain, named, 8).command[0] == sys.executable
    assert "--ntasks=1" in launch_of(c, chain, job, 8).command
    assert launch_of(a, chain, job | {"SLURM_STEP_ID": "0"}, 8).command[0] == sys.executable
