"""A chain as SLURM jobs, each of which runs one stage and requeues itself when it is stopped."""

import shlex
import shutil
import subprocess
from collections.abc import Sequence

from launch.progressive.chain import Chain, ChainError, Stage
from launch.progressive.chain_runner import archive_stages, check_plan, make_plan
from launch.progressive.console import echo
from launch.progressive.hashing import Digests
from launch.progressive.locks import chain_lock
from launch.progressive.stage_status import StagePlanner
from launch.progressive.state import read_state, record_job

BATCH_FILE = "launch/slurm/stage.sbatch"  # relative to the folder where sbatch is called
ONE_PROCESS = ("--nodes=1", "--ntasks=1", "--ntasks-per-node=1")


def submit(chain: Chain, redo: Sequence[str], options: Sequence[str], dry_run: bool) -> None:
    """Submits every stage that is neither complete nor queued, after those that it depends on.

    `options` are for sbatch and all stages; they override those of the chain file, and a stage's
    own options override them. Raises ChainError if a stage is refused, or if sbatch fails.
    """
    if not dry_run and not shutil.which("sbatch"):
        raise ChainError("sbatch is not on PATH; run this on a machine of the SLURM cluster")
    if redo and not dry_run:
        with chain_lock(chain.folder):
            archive_stages(chain, redo)
    plan = make_plan(chain, redo if dry_run else (), StagePlanner(chain, Digests()))
    check_plan(plan)
    known, jobs = read_state(chain.folder).jobs, dict[str, str]()
    for stage, decision in plan:
        if decision.action == "skip":
            echo(f"{stage.name} {decision.reason}")
            continue
        queued = known.get(stage.name)
        if queued and _is_queued(queued):
            echo(f"{stage.name} is already job {queued}")
            jobs[stage.name] = queued
            continue
        dependencies = [jobs[name] for name in stage.predecessors if name in jobs]
        command = sbatch_command(chain, stage, options, dependencies)
        if dry_run:
            echo(f"{stage.name} {decision.reason}\n    {shlex.join(command)}")
            jobs[stage.name] = f"JOB_OF_{stage.name}"
            continue
        jobs[stage.name] = _submit(command)
        record_job(chain.folder, stage.name, jobs[stage.name])
        after = f" after {', '.join(dependencies)}" if dependencies else ""
        echo(f"{stage.name} is job {jobs[stage.name]}{after}")


def sbatch_command(
    chain: Chain, stage: Stage, options: Sequence[str], dependencies: Sequence[str]
) -> list[str]:
    """The command that submits a stage; of an option that is given twice, sbatch takes the last."""
    command = ["sbatch", "--parsable", f"--job-name={chain.folder.name}-{stage.name}"]
    if dependencies:
        command += [f"--dependency=afterok:{':'.join(dependencies)}", "--kill-on-invalid-dep=yes"]
    one = ONE_PROCESS if stage.recipe is None else ()
    command += [*chain.sbatch, *options, *one, *stage.sbatch]
    return [*command, BATCH_FILE, str(chain.path), stage.name]


def _submit(command: Sequence[str]) -> str:
    """The number of the new job."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ChainError(f"{shlex.join(command)}: {' '.join(done.stderr.split())}")
    return done.stdout.strip().partition(";")[0]  # the name of a cluster may follow


def _is_queued(job: str) -> bool:
    """Whether a job waits or runs; SLURM forgets jobs that have ended."""
    if not shutil.which("squeue"):
        return False
    done = subprocess.run(["squeue", "-h", "-j", job, "-o", "%A"], capture_output=True, text=True)
    return done.returncode == 0 and job in done.stdout.split()
