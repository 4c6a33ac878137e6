"""A real SLURM cluster of two nodes on one machine, for tests."""

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import HANG_LIMIT, ROOT, free_port

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=2,batch_sched_delay=0,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=5
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=8000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=8000
PartitionName=debug Nodes=n1,n2 Default=YES State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=30
PartitionName=urgent Nodes=n1,n2 State=UP PriorityTier=10 PreemptMode=OFF
"""


class Cluster:
    """Two nodes; `urgent` jobs preempt `debug` ones after 30 seconds of grace."""

    def __init__(self, folder: Path) -> None:
        missing = [program for program in PROGRAMS if not shutil.which(program)]
        if missing or os.geteuid() != 0:
            pytest.skip(f"no SLURM here: {missing[0] + ' is missing' if missing else 'not root'}")
        self.folder = folder
        (folder / "state").mkdir()
        ports = [free_port() for _ in range(3)]
        text = CONFIGURATION.format(host=platform.node().split(".")[0], folder=folder, ports=ports)
        (folder / "slurm.conf").write_text(text)
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self._munged = False
        try:
            self._start()
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            self._end_daemons()
            pytest.skip(f"SLURM is installed, but does not start here: {error}")

    def _start(self) -> None:
        self._munged = self._start_munge()
        for daemon in ("slurmctld -c", "slurmd -c -N n1", "slurmd -c -N n2"):
            self.run(*daemon.split())
        idle = ("sinfo", "-h", "-p", "debug", "-t", "idle", "-o", "%D")
        self.wait_for(lambda: self.run(*idle) == "2")

    def _start_munge(self) -> bool:
        """Whether it had to be started."""
        if subprocess.run(["munge", "-n"], capture_output=True).returncode == 0:
            return False
        Path("/run/munge").mkdir(exist_ok=True)
        shutil.chown("/run/munge", "munge", "munge")
        self.run("runuser", "-u", "munge", "--", "/usr/sbin/munged")
        return True

    def stop(self) -> None:
        for job in self.run("squeue", "-h", "-o", "%A").split():  # they outlive the daemons
            self.run("scancel", job)
        self.wait_for(lambda: not self.run("squeue", "-h"))
        self._end_daemons()

    def _end_daemons(self) -> None:
        for file in self.folder.glob("slurm*.pid"):
            subprocess.run(["kill", file.read_text().strip()], check=False)
        if self._munged:
            subprocess.run(["kill", Path("/run/munge/munged.pid").read_text().strip()], check=False)
            self.wait_for(lambda: not Path("/run/munge/munge.socket.2").exists())

    def run(self, *command: str, **environment: str) -> str:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=HANG_LIMIT,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def state(self, job: str) -> dict[str, str]:
        """The fields of a job, such as JobState and Restarts."""
        words = self.run("scontrol", "-o", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait_for_state(self, job: str, *states: str) -> dict[str, str]:
        self.wait_for(lambda: self.state(job)["JobState"] in states)
        return self.state(job)

    def wait_for(self, condition: Callable[[], Any], seconds: float = HANG_LIMIT) -> None:
        ends = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > ends:
                logs = [self.run("squeue"), *map(_tail, sorted(self.folder.glob("*.out")))]
                raise AssertionError("the condition is still false\n" + "\n".join(logs))
            time.sleep(0.2)


def _tail(file: Path, lines: int = 30) -> str:
    return f"{file.name}:\n" + "\n".join(file.read_text().splitlines()[-lines:])


def options(folder: Path, *more: str) -> Sequence[str]:
    """What a site would edit in the batch file."""
    return (
        "--nodes=2",
        "--ntasks-per-node=1",
        "--cpus-per-task=1",
        "--time=60",
        f"--output={folder}/%j.out",
        *more,
    )
