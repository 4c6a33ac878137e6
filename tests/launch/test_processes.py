import pytest

from launch.processes import Processes, find_processes
from launch.recipe import ConfigError


def test_one_plain_process_is_a_world_of_one() -> None:
    assert find_processes({}) == Processes(0, 1, 0, 1, "one process")


def test_torchrun_and_deepspeed_are_read_alike() -> None:
    torchrun = {
        "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4",
        "TORCHELASTIC_RUN_ID": "x",
    }  # fmt: skip
    assert find_processes(torchrun) == Processes(5, 8, 1, 4, "torchrun")
    deepspeed = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_SIZE": "2"}
    assert find_processes(deepspeed) == Processes(1, 2, 1, 2, "deepspeed")


def test_a_task_of_srun_is_found_and_a_batch_script_is_not() -> None:
    batch = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"}
    assert find_processes(batch).world_size == 1
    task = {
        **batch, "SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_LOCALID": "1",
        "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    }  # fmt: skip
    assert find_processes(task) == Processes(3, 4, 1, 2, "srun")


def test_a_launcher_inside_a_slurm_job_goes_before_slurm() -> None:
    both = {
        "RANK": "0",
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "0",
        "SLURM_STEP_ID": "0",
        "SLURM_NTASKS": "4",
    }
    assert find_processes(both).world_size == 2


def test_half_an_environment_is_refused_with_the_name() -> None:
    with pytest.raises(ConfigError, match="WORLD_SIZE: None is not a number"):
        find_processes({"RANK": "0"})
    with pytest.raises(ConfigError, match="RANK: 'zero'"):
        find_processes({"RANK": "zero", "WORLD_SIZE": "1", "LOCAL_RANK": "0"})
