"""The batch file of a single run on a real SLURM: preemption and cancelling."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.launch.cluster import Cluster, options
from tests.pretrain.runs import losses, words

PRETRAIN = ("launch/slurm/run.sbatch", "pretrain")
LONGER = ("schedule={steps: 30, warmup: 0.2}", "checkpoint.every_steps=10")
BIN = str(Path(sys.executable).parent)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started = Cluster(tmp_path_factory.mktemp("slurm"))
    # here the names of nodes are not host names; elsewhere the first node is found by its name
    started.environment |= {"MASTER_ADDR": "127.0.0.1", "PATH": f"{BIN}:{os.environ['PATH']}"}
    yield started
    started.stop()


def test_slurm_accepts_the_batch_file(cluster: Cluster, tmp_path: Path) -> None:
    cluster.run("sbatch", "--test-only", *options(tmp_path), *PRETRAIN, "demo")


def test_doctor_looks_at_both_nodes_of_a_job(cluster: Cluster, tmp_path: Path) -> None:
    command = ("-m", "launch", "doctor", "--json", "--run", str(tmp_path / "run"))
    text = cluster.run("srun", "--nodes=2", "--ntasks-per-node=1", sys.executable, *command)
    document = json.loads(text)
    assert (document["processes"], document["launcher"]) == (2, "srun")
    assert document["hosts"] == {"0": "n1", "1": "n2"}
    rows = {row["name"]: row for row in document["checks"]}
    assert {"rendezvous", "route", "gloo", "writing", "run folder"} <= rows.keys()
    assert document["failed"] == 0 and rows["run folder"]["verdict"] == "ok"


@pytest.mark.soak
def test_a_preempted_job_is_requeued_and_resumes_exactly(
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
    assert f"the run has saved and stopped; job {job} returns to the queue" in output
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


@pytest.mark.parametrize("name", ["run", "stage"])
def test_a_batch_file_has_a_core_for_each_worker_of_a_recipe_and_one_to_train(name: str) -> None:
    recipes = [
        path for each in ("pretrain", "finetune") for path in (ROOT / each).glob("recipes/*")
    ]
    workers = [
        int(found[1])
        for path in recipes
        if path.suffix == ".yaml"
        if (found := re.search(r"^  workers: (\d+)$", path.read_text(), re.M))
    ]
    text = (ROOT / f"launch/slurm/{name}.sbatch").read_text()
    found = re.search(r"^#SBATCH --cpus-per-task=(\d+) ", text, re.M)
    assert found and int(found[1]) == max(workers) + 1


# as SLURM's, for one task
SRUN = '#!/bin/sh\nwhile [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"\n'
NAMES = ("NCCL_DEBUG", "TORCH_FR_BUFFER_SIZE", "TORCH_NCCL_DUMP_ON_TIMEOUT")


def test_a_hanging_collective_leaves_a_record(tmp_path: Path) -> None:
    for name, text in {"srun": SRUN, "scontrol": "#!/bin/sh\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}
    script = f". {ROOT}/launch/slurm/requeue.sh; run_and_requeue env"

    def settings(**more: str) -> dict[str, str]:
        done = subprocess.run(
            ["bash", "-uc", script],
            cwd=tmp_path,
            env=environment | more,
            capture_output=True,
            text=True,
            check=True,
        )
        return dict(line.split("=", 1) for line in done.stdout.splitlines())

    found = settings()
    assert [found[name] for name in NAMES] == ["WARN", "2000", "1"]
    assert found["TORCH_FR_DUMP_TEMP_FILE"] == f"{tmp_path}/nccl-7-rank-"
    assert settings(NCCL_DEBUG="INFO")["NCCL_DEBUG"] == "INFO"
