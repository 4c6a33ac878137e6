"""Which process reads what at a step."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from launch.distributed.process_group import Processes
from launch.training.dataloader import (
    ReadIndex,
    ReadSampler,
    excess_workers,
    iterate_batches,
    oversized_batch,
)
from tests.conftest import HANG_LIMIT, ROOT, launcher_free_environment, run_python, wait_until

ITEMS = 39  # of an epoch


def schedule(micro_batches: range, micro: int, processes: Processes, seed: int = 5) -> ReadSampler:
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng([seed, epoch]).permutation(ITEMS)

    return ReadSampler(ITEMS, order, micro_batches, micro, processes)


def reads(steps: range, world_size: int, micro: int, accumulation: int) -> list[set[ReadIndex]]:
    """What all processes together read at each step."""
    micro_batches = range(steps.start * accumulation, steps.stop * accumulation)
    ranks = [
        list(schedule(micro_batches, micro, Processes(rank, world_size)))
        for rank in range(world_size)
    ]
    return [
        {
            read
            for batches in ranks
            for batch in batches[step * accumulation : (step + 1) * accumulation]
            for read in batch
        }
        for step in range(len(steps))
    ]


@pytest.mark.parametrize(("world_size", "micro", "accumulation"), [(2, 4, 1), (4, 1, 2), (1, 2, 4)])
def test_a_step_reads_the_same_whatever_the_processes(
    world_size: int, micro: int, accumulation: int
) -> None:
    expected = reads(range(20), 1, 8, 1)
    assert reads(range(20), world_size, micro, accumulation) == expected
    assert all(len(step) == 8 for step in expected)


def test_an_epoch_reads_every_position_once_and_in_an_order_of_its_own() -> None:
    everything = [batch[0] for batch in schedule(range(2 * ITEMS), 1, Processes())]
    first, second = everything[:ITEMS], everything[ITEMS:]
    assert sorted(read.position for read in first) == list(range(ITEMS))
    assert sorted(read.position for read in second) == list(range(ITEMS))
    assert [read.epoch for read in everything] == [0] * ITEMS + [1] * ITEMS
    assert [read.position for read in first] != [read.position for read in second]
    other = [batch[0] for batch in schedule(range(ITEMS), 1, Processes(), seed=6)]
    assert other != first


def test_a_resumed_schedule_goes_on_where_it_stopped() -> None:
    assert reads(range(7, 20), 2, 2, 2) == reads(range(20), 2, 2, 2)[7:]


class Positions(Dataset[list[int]]):
    def __getitem__(self, reads: list[ReadIndex]) -> list[int]:
        return [read.position for read in reads]


@pytest.mark.parametrize("workers", [0, 1])
def test_loading_draws_nothing_that_training_would_draw(workers: int) -> None:
    """Else dropout in a run that goes on would differ at its first step."""

    def batches(done: int) -> ReadSampler:
        return schedule(range(done, 4), 2, Processes())

    before = torch.get_rng_state()
    loaded = iterate_batches(Positions(), batches, workers, lambda: False)
    assert len(list(loaded)) == 4
    assert torch.equal(torch.get_rng_state(), before)


def test_a_step_larger_than_the_data_is_a_warning() -> None:
    assert oversized_batch(28, 28) == []
    (line,) = oversized_batch(952, 28)
    assert "952 clips of a step are 34 times the data, which has 28 clips an epoch" in line


def test_more_workers_than_cores_are_one_line_of_ours_and_none_of_torch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    assert excess_workers(2) == []
    (line,) = excess_workers(3)
    assert "data.workers: 3 workers of a process share 2 cores" in line
    assert "set it to 2 or lower" in line
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reads = [[ReadIndex(0, 1)], [ReadIndex(0, 2)]]
        batches = iterate_batches(Positions(), lambda done: reads, 3, bool)
        assert list(batches) == [[1], [2]]
    assert not [str(each.message) for each in caught if "DataLoader" in str(each.message)]


LEFT_OPEN = """
from launch.entrypoint import exit_process
from launch.training.dataloader import ReadIndex, iterate_batches
reads = [ReadIndex(0, number) for number in range(8)]
never = lambda: False
batches = iterate_batches(reads, lambda done: range(8), 1, never)
print(next(batches).position)
exit_process(0)  # the batches are still held, as by the traceback of an error
"""


def test_a_program_ends_though_its_loader_has_batches_left() -> None:
    assert run_python("-c", LEFT_OPEN) == ["0"]


KILLED = """
import os, time
from launch.training.dataloader import ReadIndex, iterate_batches

class Hanging:
    def __getitem__(self, read):
        print(os.getpid(), flush=True)
        time.sleep(6000)  # as a decoder on a file system that is gone

schedule = lambda done: [ReadIndex(0, number) for number in range(2)]
next(iterate_batches(Hanging(), schedule, 2, lambda: False))
"""


def test_workers_that_read_end_with_a_killed_run_and_release_its_gpu() -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", KILLED],
        cwd=ROOT,
        env=launcher_free_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout
    workers = [int(run.stdout.readline()) for _ in range(2)]
    run.kill()
    run.communicate(timeout=HANG_LIMIT)  # they have its standard output, too
    wait_until(lambda: all(_has_ended(pid) for pid in workers))


def _has_ended(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"


FULL = """
import resource, torch
from launch.entrypoint import exit_process
from launch.training.dataloader import SharedMemoryFull, iterate_batches
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    next(iterate_batches([torch.zeros(20_000)], lambda done: range(1), 1, bool))
except SharedMemoryFull as error:
    print(error)
exit_process(0)
"""


def test_a_batch_that_does_not_fit_in_shared_memory_is_one_line() -> None:
    """As the windows of an evaluation, whose batches differ in size."""
    (line,) = run_python("-c", FULL)
    assert line.startswith("data.workers: a batch does not fit in shared memory, /dev/shm (")
