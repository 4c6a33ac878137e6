import subprocess
import sys
from collections.abc import Callable

import pytest

from launch.distributed.process_group import Processes, detect_processes
from launch.errors import ConfigError
from tests.conftest import HANG_LIMIT, ROOT, launcher_free_environment


def test_one_plain_process_is_a_world_of_one() -> None:
    assert detect_processes({}) == Processes(0, 1, 0, 1, "one process")


MEET = {"MASTER_ADDR": "n1", "MASTER_PORT": "29500"}


def test_torchrun_and_deepspeed_are_read_alike() -> None:
    torchrun = {
        "RANK": "5",
        "WORLD_SIZE": "8",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "4",
        "TORCHELASTIC_RUN_ID": "x",
        **MEET,
    }
    assert detect_processes(torchrun) == Processes(5, 8, 1, 4, "torchrun", "n1:29500")
    deepspeed = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_SIZE": "2", **MEET}
    assert detect_processes(deepspeed) == Processes(1, 2, 1, 2, "deepspeed", "n1:29500")


BATCH = {"SLURM_JOB_ID": "20007", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"}
TASK = {
    **BATCH,
    "SLURM_STEP_ID": "0",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
}


def test_a_task_of_srun_is_found_and_a_batch_script_is_not() -> None:
    assert detect_processes(BATCH).world_size == 1
    assert detect_processes(TASK) == Processes(3, 4, 1, 2, "srun", "gpu07:20007")


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("n1", "n1"),
        ("n1,n2", "n1"),
        ("a-b[3,7-9],c1", "a-b3"),
        ("x[010-012]", "x010"),
        ("r1n[5]", "r1n5"),
    ],
)
def test_srun_meets_at_the_first_node(nodes: str, first: str) -> None:
    assert detect_processes({**TASK, "SLURM_STEP_NODELIST": nodes}).address == f"{first}:20007"


def test_an_address_that_is_set_goes_before_that_of_slurm() -> None:
    assert detect_processes({**TASK, **MEET}).address == "n1:29500"


def test_a_launcher_inside_a_slurm_job_goes_before_slurm() -> None:
    both = {**TASK, "RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", **MEET}
    assert detect_processes(both).world_size == 2


def test_half_an_environment_is_refused_with_the_name() -> None:
    with pytest.raises(ConfigError, match="WORLD_SIZE: None is not a number"):
        detect_processes({"RANK": "0"})
    with pytest.raises(ConfigError, match="RANK: 'zero'"):
        detect_processes({"RANK": "zero", "WORLD_SIZE": "1", "LOCAL_RANK": "0"})
    with pytest.raises(ConfigError, match="MASTER_PORT: is not set, but RANK is"):
        detect_processes({"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "n1"})


PROGRAM = """
import os
from launch.distributed.process_group import detect_processes, compute_on_rank0
from launch.distributed.process_group import destroy_process_group, init_process_group
processes = detect_processes(os.environ)
init_process_group(processes, 600)
print(compute_on_rank0(processes, lambda: f"by {processes.rank}"))
try:
    compute_on_rank0(processes, lambda: 1 // processes.rank)
except Exception as error:
    print(type(error).__name__)
destroy_process_group()
"""


def test_all_processes_get_the_result_of_rank_0_and_end_with_its_error(
    together: Callable,
) -> None:
    first, second = together(["-c", PROGRAM], 2)
    assert first.stdout.splitlines()[-2:] == ["by 0", "ZeroDivisionError"], first.stderr
    assert second.stdout.splitlines()[-2:] == ["by 0", "Rank0Failed"], second.stderr


START_ON_GPU = """
import os, resource
import torch
from torch import distributed as dist
from launch.distributed.process_group import Processes, init_process_group
from tests.launch.distributed.gpu_machine import GpuMachine
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
GpuMachine(["a", "b"]).install()
create = dist.init_process_group
dist.init_process_group = lambda backend, **rest: create("gloo", **rest)  # nccl needs a GPU
torch.set_num_threads(7)
init_process_group(Processes(local_world_size=2), 60)
soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
print(soft == hard, torch.get_num_threads() == max(1, len(os.sched_getaffinity(0)) // 2))
"""


def test_processes_on_gpus_share_the_cores_and_may_open_all_files() -> None:
    environment = launcher_free_environment() | {"DS_ACCELERATOR": "cuda"}
    del environment["OMP_NUM_THREADS"]
    done = subprocess.run(
        [sys.executable, "-c", START_ON_GPU],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG_LIMIT,
    )
    assert done.stdout.splitlines()[-1:] == ["True True"], done.stderr
