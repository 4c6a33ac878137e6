"""Chains as jobs of a real SLURM: behind each other, preempted, failed, submitted twice."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.launch.cluster import Cluster, options
from tests.launch.progressive.chains import command, record_of, two_and_weights
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
    """What is said of each stage."""
    said = cluster.run(*command(chain, "--slurm", *more, "--", *options(chain.parent)))
    lines = (line.removeprefix("chain: ").split(" ", 1) for line in said.splitlines())
    return {stage: rest for stage, rest in lines}


def job_in(said: str) -> str:
    return said.split()[2]


def test_a_chain_of_jobs_outlasts_a_preemption(
    cluster: Cluster, operations: Path, tmp_path: Path, together: Callable
) -> None:
    chain, folder = (
        two_and_weights(tmp_path / "chain.yaml", operations, **LONGER),
        tmp_path / "chain",
    )
    jobs = {stage: job_in(said) for stage, said in submit(cluster, chain).items()}
    again = submit(cluster, chain)
    assert again == {stage: f"is job {jobs[stage]} already" for stage in STAGES}
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
    assert f"job {jobs['first']} goes back to the queue" in first
    assert "first goes on, it had saved and stopped; the job's processes" in first
    assert "2 processes (srun)" in (folder / "second.log").read_text()
    assert cluster.state(jobs["third"])["NumNodes"] == "1"
    assert all("is skipped" in said for said in submit(cluster, chain).values())
    unbroken = tmp_path / "unbroken"
    settings = ("schedule={steps: 30, warmup: 0.2}", "checkpoint.every_steps=10")
    for outcome in together(["-m", "pretrain", *words(operations, unbroken, *settings)], 2):
        assert outcome.returncode == 0, outcome.stderr
    assert losses(folder / "first") == losses(unbroken)


def test_a_failed_job_takes_those_behind_it_out_of_the_queue(
    cluster: Cluster, operations: Path, tmp_path: Path
) -> None:
    uneven = {"clips": 9, "micro_batch": 2}  # whether it can be shared is known where it runs
    chain = two_and_weights(tmp_path / "chain.yaml", operations, batch=uneven)
    jobs = {stage: job_in(said) for stage, said in submit(cluster, chain).items()}
    assert cluster.wait_for_state(jobs["first"], "FAILED", "COMPLETED")["JobState"] == "FAILED"
    cluster.wait_for(lambda: not cluster.run("squeue", "-h"))
    assert cluster.state(jobs["third"])["JobState"] == "CANCELLED"
    output = (tmp_path / f"{jobs['first']}.out").read_text()
    assert "launch: first ended with 2 after " in output
    text = chain.read_text().replace("clips: 9", "clips: 8")
    chain.write_text(text.replace("steps: 6", "steps: 2"))
    jobs = {stage: job_in(said) for stage, said in submit(cluster, chain).items()}
    state = cluster.wait_for_state(jobs["third"], "COMPLETED", "FAILED", "CANCELLED")
    assert state["JobState"] == "COMPLETED"


def test_a_cancelled_stage_is_submitted_again_and_goes_on(
    cluster: Cluster, operations: Path, tmp_path: Path
) -> None:
    endless = {"schedule": {"steps": 100000, "warmup": 0.2}, "checkpoint.every_steps": 10}
    chain, folder = (
        two_and_weights(tmp_path / "chain.yaml", operations, **endless),
        tmp_path / "chain",
    )
    jobs = {stage: job_in(said) for stage, said in submit(cluster, chain).items()}
    cluster.wait_for((folder / "first/checkpoints/step-0000010").is_dir)
    cluster.run("scancel", jobs["first"])
    cluster.wait_for(lambda: not cluster.run("squeue", "-h"))
    assert cluster.state(jobs["first"])["JobState"] == "CANCELLED"
    assert cluster.state(jobs["first"])["Restarts"] == "0"
    output = (tmp_path / f"{jobs['first']}.out").read_text()
    assert "goes back to the queue" not in output
    steps = int(sorted(p.name for p in (folder / "first/checkpoints").iterdir())[-1].split("-")[1])
    chain.write_text(chain.read_text().replace("steps: 100000", f"steps: {steps + 10}"))
    jobs = {stage: job_in(said) for stage, said in submit(cluster, chain).items()}
    cluster.wait_for_state(jobs["first"], "COMPLETED", "FAILED")
    assert len(losses(folder / "first")) == steps + 10
    cluster.run("scancel", jobs["second"], jobs["third"])
