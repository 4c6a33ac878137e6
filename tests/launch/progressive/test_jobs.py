"""Chains as jobs of a real SLURM: dependent, preempted, failed, submitted twice."""

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.launch.cluster import Cluster, options
from tests.launch.progressive.chains import command, record_of, two_pretrainings
from tests.pretrain.runs import losses, words

pytestmark = pytest.mark.soak
LONGER = {"schedule": {"steps": 30, "warmup": 0.2}, "checkpoint.every_steps": 10}
STAGES = ("first", "second", "third")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started = Cluster(tmp_path_factory.mktemp("slurm"))
    binaries = Path(sys.executable).parent
    started.environment |= {
        "MASTER_ADDR": "127.0.0.1",
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    yield started
    started.stop()


def submit(cluster: Cluster, chain: Path, *more: str) -> dict[str, str]:
    """The line of each stage."""
    output = cluster.run(*command(chain, "--slurm", *more, "--", *options(chain.parent)))
    lines = (line.removeprefix("chain: ").split(" ", 1) for line in output.splitlines())
    return {stage: rest for stage, rest in lines}


def job_in(line: str) -> str:
    return re.search(r"job (\d+)", line)[1]


def test_a_chain_of_jobs_outlasts_a_preemption(
    cluster: Cluster, operations: Path, tmp_path: Path, together: Callable
) -> None:
    chain, folder = (
        two_pretrainings(tmp_path / "chain.yaml", operations, **LONGER),
        tmp_path / "chain",
    )
    jobs = {stage: job_in(line) for stage, line in submit(cluster, chain).items()}
    again = submit(cluster, chain)
    assert again == {stage: f"is already job {jobs[stage]}" for stage in STAGES}
    assert f"afterok:{jobs['first']}" in cluster.state(jobs["second"])["Dependency"]
    cluster.wait_for((folder / "first/checkpoints/step-0000010").is_dir)
    urgent = ("--partition=urgent", "--nodes=2", "--ntasks=2", "--cpus-per-task=2")
    cluster.run("sbatch", *urgent, f"--output={tmp_path}/urgent.out", "--wrap", "sleep 2")
    for stage in STAGES:
        state = cluster.wait_for_state(jobs[stage], "COMPLETED", "FAILED", "CANCELLED")
        output = (tmp_path / f"{jobs[stage]}.out").read_text()
        assert state["JobState"] == "COMPLETED", output
        assert state["Restarts"] == ("1" if stage == "first" else "0"), output
        assert record_of(folder, stage)["exit_status"] == 0
    first = (tmp_path / f"{jobs['first']}.out").read_text()
    assert "launch: first has saved and stopped after " in first
    assert f"job {jobs['first']} returns to the queue" in first
    assert "first resumes, it had saved and stopped; tasks of the job" in first
    assert "2 processes (srun)" in (folder / "second.log").read_text()
    assert cluster.state(jobs["third"])["NumNodes"] == "1"
    assert all("is skipped" in line for line in submit(cluster, chain).values())
    unbroken = tmp_path / "unbroken"
    settings = ("schedule={steps: 30, warmup: 0.2}", "checkpoint.every_steps=10")
    for outcome in together(["-m", "pretrain", *words(operations, unbroken, *settings)], 2):
        assert outcome.returncode == 0, outcome.stderr
    assert losses(folder / "first") == losses(unbroken)


def test_a_failed_job_cancels_those_that_depend_on_it(
    cluster: Cluster, operations: Path, tmp_path: Path
) -> None:
    uneven = {"clips": 9, "micro_batch": 2}  # on two processes, which only the job knows
    chain = two_pretrainings(tmp_path / "chain.yaml", operations, batch=uneven)
    jobs = {stage: job_in(line) for stage, line in submit(cluster, chain).items()}
    assert cluster.wait_for_state(jobs["first"], "FAILED", "COMPLETED")["JobState"] == "FAILED"
    cluster.wait_for(lambda: not cluster.run("squeue", "-h"))
    assert cluster.state(jobs["third"])["JobState"] == "CANCELLED"
    output = (tmp_path / f"{jobs['first']}.out").read_text()
    assert "launch: first ended with exit status 2 after " in output
    text = chain.read_text().replace("clips: 9", "clips: 8")
    chain.write_text(text.replace("steps: 6", "steps: 2"))
    jobs = {stage: job_in(line) for stage, line in submit(cluster, chain).items()}
    state = cluster.wait_for_state(jobs["third"], "COMPLETED", "FAILED", "CANCELLED")
    assert state["JobState"] == "COMPLETED"


def test_a_cancelled_stage_is_submitted_again_and_resumes(
    cluster: Cluster, operations: Path, tmp_path: Path
) -> None:
    endless = {"schedule": {"steps": 100000, "warmup": 0.2}, "checkpoint.every_steps": 10}
    chain, folder = (
        two_pretrainings(tmp_path / "chain.yaml", operations, **endless),
        tmp_path / "chain",
    )
    jobs = {stage: job_in(line) for stage, line in submit(cluster, chain).items()}
    cluster.wait_for((folder / "first/checkpoints/step-0000010").is_dir)
    cluster.run("scancel", jobs["first"])
    cluster.wait_for(lambda: not cluster.run("squeue", "-h"))
    assert cluster.state(jobs["first"])["JobState"] == "CANCELLED"
    assert cluster.state(jobs["first"])["Restarts"] == "0"
    output = (tmp_path / f"{jobs['first']}.out").read_text()
    assert "returns to the queue" not in output
    steps = int(sorted(p.name for p in (folder / "first/checkpoints").iterdir())[-1].split("-")[1])
    chain.write_text(chain.read_text().replace("steps: 100000", f"steps: {steps + 10}"))
    jobs = {stage: job_in(line) for stage, line in submit(cluster, chain).items()}
    cluster.wait_for_state(jobs["first"], "COMPLETED", "FAILED")
    assert len(losses(folder / "first")) == steps + 10
    cluster.run("scancel", jobs["second"], jobs["third"])


RUN_AND_KILL = """#!/bin/bash
{command} &
until [ -d {folder}/first/checkpoints/step-0000010 ]; do sleep 0.1; done
kill -KILL $!
exec {command}
"""


def test_a_killed_chain_ends_its_job_step_and_resumes_in_the_same_allocation(
    cluster: Cluster, operations: Path, tmp_path: Path
) -> None:
    chain = two_pretrainings(tmp_path / "chain.yaml", operations, **LONGER)
    folder, script = tmp_path / "chain", tmp_path / "job.sh"
    script.write_text(RUN_AND_KILL.format(command=shlex.join(command(chain)), folder=folder))
    job = cluster.run("sbatch", "--parsable", *options(tmp_path), str(script))
    state = cluster.wait_for_state(job, "COMPLETED", "FAILED")
    output = (tmp_path / f"{job}.out").read_text()
    assert state["JobState"] == "COMPLETED", output
    assert "first resumes, it was killed; tasks of the job" in output
    assert record_of(folder, "first")["starts"] == 2
    starts = json.loads((folder / "first/environment.json").read_text())
    assert len(starts) == 2 and starts[1]["from_step"] >= 10
