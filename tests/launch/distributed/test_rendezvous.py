"""Processes compare their GPUs before the first collective."""

import platform
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import torch.distributed as dist

from launch.distributed.rendezvous import Meeting, Peer, meet
from launch.errors import ConfigError

NODES = ("n07", "n08")


def peers(count: int, hosts: Sequence[str] = NODES[:1]) -> list[Peer]:
    """Of a run with a GPU each, divided among hosts."""
    each = count // len(hosts)
    return [
        Peer(host, f"GPU-{host}-{number}", f"10.0.0.{place}", "")
        for place, host in enumerate(hosts, 1)
        for number in range(each)
    ]


def meet_all(found: Sequence[Peer]) -> list[Meeting | str]:
    """What each process gets, or the error that it raises."""
    store = dist.HashStore()
    store.set_timeout(timedelta(seconds=60))

    def one(rank: int) -> Meeting | str:
        try:
            return meet(store, rank, len(found), found[rank])
        except ConfigError as error:
            return str(error)

    with ThreadPoolExecutor(len(found)) as pool:
        return list(pool.map(one, range(len(found))))


def test_processes_with_a_gpu_each_learn_of_the_other_machines() -> None:
    assert meet_all(peers(8)) == [Meeting(1, "", "")] * 8
    assert meet_all(peers(4, NODES)) == [Meeting(2, "10.0.0.2", "")] * 4
    cpus = [peer._replace(device="CPU") for peer in peers(2)]
    assert meet_all(cpus) == [Meeting(1, "", "")] * 2


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {5: {"error": "cuda:5: does not work (ECC)", "device": ""}},
            "rank 5 of 8 on n08: cuda:5: does not work (ECC)",
        ),
        (
            {rank: {"error": "GPUs: none", "device": ""} for rank in (4, 5, 6, 7)},
            "rank 4 of 8 on n08: GPUs: none (4 processes fail)",
        ),
        (
            {6: {"device": "CPU"}},
            "GPUs: rank 6 of 8 on n08 has none, 7 of 8 processes have one; look at nvidia-smi "
            "there, or choose the CPU for all with CUDA_VISIBLE_DEVICES= (empty)",
        ),
        (
            {3: {"device": "GPU-n07-1"}},
            "GPUs: ranks 1 and 3 on n07 have the same one (GPU-n07-1); start 3 processes there, or "
            "show another one to each (srun --gpus-per-task=1)",
        ),
    ],
)
def test_one_bad_gpu_of_eight_is_named_by_every_process(
    changes: dict[int, dict[str, str]], line: str
) -> None:
    found = peers(8, NODES)
    for rank, change in changes.items():
        found[rank] = found[rank]._replace(**change)
    assert meet_all(found) == [line] * 8


PROGRAM = """
import os, sys
from launch.distributed.process_group import detect_processes, init_process_group
from launch.entrypoint import run_program
from tests.launch.distributed.gpu_machine import GpuMachine
uuids, broken = {"same": (["a"], []), "sick": (["a", "b"], [1])}[sys.argv[1]]
GpuMachine(uuids, broken).install()
del os.environ["DS_ACCELERATOR"]
sys.exit(run_program("run", lambda: init_process_group(detect_processes(os.environ), 60)))
"""


@pytest.mark.parametrize(
    ("machine", "line"),
    [
        ("same", "run: GPUs: ranks 0 and 1 on {host} have the same one (GPU-a); start 1 process "),
        ("sick", "run: rank 1 of 2 on {host}: cuda:1: does not work (CUDA error: uncorrectable "),
    ],
)
def test_two_processes_are_refused_in_one_line(together: Callable, machine: str, line: str) -> None:
    first, second = together(["-c", PROGRAM, machine], 2)
    assert first.stderr.startswith(line.format(host=platform.node())), first.stderr
    assert first.stderr.count("\n") == 1 and second.stderr == ""
    assert first.returncode == second.returncode == 2
