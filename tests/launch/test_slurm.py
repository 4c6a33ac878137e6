"""The project's own batch files on a real SLURM: preemption, cancelling, chains."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.launch.cluster import Cluster, options
from tests.pretrain.runs import losses, words

PRETRAIN = ("launch/slurm/run.sbatch", "pretrain")
LONGER = ("schedule={steps: 30, warmup: 0.2}", "checkpoint.every_steps=10")
BIN = str(Path(sys.executable).parent)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started = Cluster(tmp_path_factory.mktemp("slurm"))
    # the nodes' names are not those of machines here; elsewhere the first of them is found
    started.environment |= {"MASTER_ADDR": "127.0.0.1", "PATH": f"{BIN}:{os.environ['PATH']}"}
    yield started
    started.stop()


def test_the_batch_file_is_one_that_slurm_takes(cluster: Cluster, tmp_path: Path) -> None:
    cluster.run("sbatch", "--test-only", *options(tmp_path), *PRETRAIN, "demo")


@pytest.mark.soak
def test_a_preempted_job_is_requeued_and_goes_on_to_the_same_bits(
    cluster: Cluster, operations: Path, tmp_path: Path, together: Callable
) -> None:
    whole = words(operations, tmp_path / "whole", *LONGER)
    for outcome in together(["-m", "pretrain", *whole], 2):
        assert outcome.returncode == 0, outcome.stderr
    run = tmp_path / "run"
    command = words(operations, run, *LONGER)
    job = cluster.run("sbatch", "--parsable", *options(tmp_path), *PRETRAIN, *command)
    cluster.wait_for((run / "checkpoints/step-0000010").is_dir)
    urgent = ("--partition=urgent", "--nodes=2", "--ntasks=2", "--cpus-per-task=2")
    cluster.run("sbatch", *urgent, f"--output={tmp_path}/urgent.out", "--wrap", "sleep 2")
    state = cluster.wait_for_state(job, "COMPLETED", "FAILED")
    output = (tmp_path / f"{job}.out").read_text()
    assert state["JobState"] == "COMPLETED", output
    assert state["Restarts"] == "1"
    assert f"the run has saved and stopped; job {job} goes back to the queue" in output
    assert "pretrain: stopped by " in output and "2 processes (srun)" in output
    assert losses(run) == losses(tmp_path / "whole")
    starts = json.loads((run / "environment.json").read_text())
    assert len(starts) == 2 and starts[1]["from_step"] >= 10


@pytest.mark.soak
def test_a_cancelled_job_is_not_requeued(
    cluster: Cluster, operations: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = words(operations, run, "schedule.steps=100000", "checkpoint.every_steps=10")
    job = cluster.run("sbatch", "--parsable", *options(tmp_path), *PRETRAIN, *command)
    cluster.wait_for((run / "checkpoints/step-0000010").is_dir)
    cluster.run("scancel", job)
    state = cluster.wait_for_state(job, "CANCELLED", "PENDING", "RUNNING")
    cluster.wait_for(lambda: not cluster.run("squeue", "-h", "-j", job))
    assert cluster.state(job)["JobState"] == "CANCELLED"
    assert state["Restarts"] == "0"


@pytest.mark.soak
def test_a_chain_runs_its_jobs_one_after_the_other(
    cluster: Cluster, operations: Path, tmp_path: Path
) -> None:
    first = words(operations, tmp_path / "first", "schedule.steps=2")
    second = words(operations, tmp_path / "second", "schedule.steps=2")
    said = cluster.run(
        "launch/slurm/chain.sh",
        *options(tmp_path),
        *PRETRAIN,
        *first,
        "--then",
        *options(tmp_path),
        "--nodes=1",
        *PRETRAIN,
        *second,
        f"init_from={tmp_path / 'first'}",
    )
    jobs = [line.split(":")[0].split()[1] for line in said.splitlines()]
    assert f"after job {jobs[0]}: " in said.splitlines()[1]
    state = cluster.wait_for_state(jobs[1], "COMPLETED", "FAILED", "CANCELLED")
    output = (tmp_path / f"{jobs[1]}.out").read_text()
    assert state["JobState"] == "COMPLETED", output
    assert f"the weights of {tmp_path / 'first'}" in output and "on: 1 process" in output
    assert cluster.state(jobs[0])["JobState"] == "COMPLETED"
