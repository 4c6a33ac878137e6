"""A chain as jobs of SLURM, each of which runs one stage and requeues itself when it is stopped."""

import shlex
import shutil
import subprocess
from collections.abc import Sequence

from launch.progressive.chain import Chain, Stage
from launch.progressive.chain_runner import planned, put_all_aside, require_allowed, require_usable
from launch.progressive.console import say
from launch.progressive.hashing import Digests
from launch.progressive.locks import chain_lock
from launch.progressive.stage_status import StagePlanner
from launch.progressive.state import read_state, record_job
from launch.progressive.yaml_lines import ChainError

BATCH_FILE = "launch/slurm/stage.sbatch"  # relative to where the chain is submitted, as jobs run
ONE_PROCESS = ("--nodes=1", "--ntasks=1", "--ntasks-per-node=1")


def submit(chain: Chain, redo: Sequence[str], options: Sequence[str], dry_run: bool) -> None:
    """Submits every stage that is neither complete nor in the queue, behind those that it needs.

    `options` are sbatch's, for all stages; those of the chain file come before them, a stage's own
    behind. Raises ChainError where a stage is refused, or where SLURM does.
    """
    if not dry_run and not shutil.which("sbatch"):
        raise ChainError("sbatch is not on PATH; submit this where SLURM is")
    if redo and not dry_run:
        with chain_lock(chain.folder):
            put_all_aside(chain, redo)
    verdicts = planned(chain, redo if dry_run else (), StagePlanner(chain, Digests()))
    require_allowed(verdicts)
    require_usable([stage for stage, verdict in verdicts if verdict.action != "skip"])
    submitted, jobs = read_state(chain.folder).jobs, dict[str, str]()
    for stage, verdict in verdicts:
        if verdict.action == "skip":
            say(f"{stage.name} {verdict.why}")
            continue
        before = submitted.get(stage.name)
        if before and _is_queued(before):
            say(f"{stage.name} is job {before} already")
            jobs[stage.name] = before
            continue
        behind = dict.fromkeys(jobs[t.stage] for t in stage.takes if t.stage in jobs)
        command = sbatch_command(chain, stage, options, list(behind))
        if dry_run:
            say(f"{stage.name} {verdict.why}\n    {shlex.join(command)}")
            jobs[stage.name] = f"JOB_OF_{stage.name}"
            continue
        jobs[stage.name] = _submitted(command)
        record_job(chain.folder, stage.name, jobs[stage.name])
        after = f" after {', '.join(behind)}" if behind else ""
        say(f"{stage.name} is job {jobs[stage.name]}{after}")


def sbatch_command(
    chain: Chain, stage: Stage, options: Sequence[str], behind: Sequence[str]
) -> list[str]:
    """The command that submits a stage; of options that stand twice, sbatch takes the last."""
    command = ["sbatch", "--parsable", f"--job-name={chain.folder.name}-{stage.name}"]
    if behind:
        command += [f"--dependency=afterok:{':'.join(behind)}", "--kill-on-invalid-dep=yes"]
    one = ONE_PROCESS if stage.recipe is None else ()
    command += [*chain.sbatch, *options, *one, *stage.sbatch]
    return [*command, BATCH_FILE, str(chain.path), stage.name]


def _submitted(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ChainError(f"{shlex.join(command)}: {' '.join(done.stderr.split())}")
    return done.stdout.strip().partition(";")[0]  # a cluster's name may follow


def _is_queued(job: str) -> bool:
    """Whether a job waits or runs; SLURM forgets those that ended."""
    if not shutil.which("squeue"):
        return False
    done = subprocess.run(["squeue", "-h", "-j", job, "-o", "%A"], capture_output=True, text=True)
    return done.returncode == 0 and job in done.stdout.split()
