"""The processes of a run and their collectives, the same for every launcher."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from launch.distributed.device import find_device
from launch.distributed.file_limit import raise_file_limit
from launch.distributed.gloo_interface import route_address, set_gloo_interface
from launch.distributed.malloc import disable_malloc_trim
from launch.distributed.rendezvous import meet, open_store, own_peer
from launch.errors import ConfigError

Result = TypeVar("Result")


@dataclass(frozen=True)
class Processes:
    """This process among those of a run."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1
    launcher: str = "one process"
    address: str = ""  # host:port of the rendezvous; empty for a single process

    @property
    def is_rank0(self) -> bool:
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """The GPU of this process, or the CPU; raises ConfigError where a GPU cannot be used."""
        return find_device(self.local_rank, os.environ)


def detect_processes(environment: Mapping[str, str]) -> Processes:
    """Reads the variables of torchrun, deepspeed or srun; a single process without them.

    Raises ConfigError if a launcher has set only some of its variables.
    """
    if "RANK" in environment:
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        launcher = "torchrun" if "TORCHELASTIC_RUN_ID" in environment else "deepspeed"
        rank, world_size, local_rank = _numbers(environment, names)
        local = int(environment.get("LOCAL_WORLD_SIZE") or environment.get("LOCAL_SIZE") or 0)
        address = _address(environment, launcher) if world_size > 1 else ""
        return Processes(rank, world_size, local_rank, local or world_size, launcher, address)
    # a batch script has SLURM_NTASKS too, but only a task of srun has a step
    if "SLURM_STEP_ID" in environment and int(environment.get("SLURM_NTASKS", "1")) > 1:
        names = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")
        rank, world_size, local_rank = _numbers(environment, names)
        tasks = environment.get("SLURM_STEP_TASKS_PER_NODE", "1").split(",")[0].split("(")[0]
        address = _address(environment, "srun")
        return Processes(rank, world_size, local_rank, int(tasks), "srun", address)
    return Processes()


def _address(environment: Mapping[str, str], launcher: str) -> str:
    host, port = environment.get("MASTER_ADDR"), environment.get("MASTER_PORT")
    if launcher == "srun":
        host = host or _first_host(environment.get("SLURM_STEP_NODELIST", ""))
        job = environment.get("SLURM_JOB_ID", "0")
        port = port or str(20000 + int(job) % 20000)  # two jobs may share a node
    for name, value in (("MASTER_ADDR", host), ("MASTER_PORT", port)):
        if not value:
            raise ConfigError(
                f"environment variable {name}: is not set, but RANK is; start with torchrun, "
                "deepspeed or srun, or set it to the address of rank 0"
            )
    return f"{host}:{port}"


def _first_host(nodes: str) -> str:
    """The first host of SLURM's list of nodes: n07 of `n[07-09,12],m1`."""
    name, bracket, numbers = nodes.partition(",")[0].partition("[")
    return name + numbers.split("-")[0].split("]")[0] if bracket else name


def _numbers(environment: Mapping[str, str], names: tuple[str, ...]) -> list[int]:
    missing = [name for name in names if not environment.get(name, "").isdigit()]
    if missing:
        raise ConfigError(
            f"environment variable {missing[0]}: {environment.get(missing[0])!r} is not a number, "
            f"but {names[0]} is set; start with torchrun, deepspeed or srun, or unset {names[0]}"
        )
    return [int(environment[name]) for name in names]


def init_process_group(processes: Processes, timeout_seconds: int) -> None:
    """Joins the process group, and divides the cores of a machine among its processes.

    Raises ConfigError on every process where one has no GPU that it can use, or two have the same.
    """
    raise_file_limit()
    os.environ.update(RANK=str(processes.rank), WORLD_SIZE=str(processes.world_size))
    host, _, port = processes.address.rpartition(":")
    if processes.world_size > 1:
        os.environ.update(MASTER_ADDR=host, MASTER_PORT=port)
    rank, world_size, timeout = processes.rank, processes.world_size, timedelta(0, timeout_seconds)
    store = open_store(rank, world_size, timeout)
    device, own = own_peer(lambda: processes.device, route_address(host) if host else "")
    meeting = meet(store, rank, world_size, own)
    if meeting.hosts > 1:
        set_gloo_interface((host, meeting.address))
    if device.type == "cpu":
        disable_malloc_trim()
    _limit_threads(processes)
    # DeepSpeed takes LOCAL_RANK for the index of the GPU
    index = processes.local_rank if device.index is None else device.index
    os.environ["LOCAL_RANK"] = str(index)
    # gloo for objects of the host, which then do not wait for the device
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    group = dist.PrefixStore("group", store)
    dist.init_process_group(backend, store=group, rank=rank, world_size=world_size, timeout=timeout)


def _limit_threads(processes: Processes) -> None:
    if "OMP_NUM_THREADS" not in os.environ or processes.launcher == "torchrun":
        # srun may have bound this process to its cores already
        bound = os.environ.get("SLURM_CPUS_PER_TASK") if processes.launcher == "srun" else None
        shared = len(os.sched_getaffinity(0)) // processes.local_world_size
        torch.set_num_threads(max(1, int(bound) if bound else shared))


def all_reduce_sum(values: Tensor) -> Tensor:
    """The sum of a small tensor over all processes, the same on each."""
    total = values.clone()
    dist.all_reduce(total)
    return total


def any_rank(*flags: bool) -> tuple[bool, ...]:
    """Which of these are true on at least one process, the same result on each."""
    if dist.get_world_size() == 1:
        return flags
    highest = torch.tensor(flags, dtype=torch.int64)
    dist.all_reduce(highest, dist.ReduceOp.MAX)
    return tuple(map(bool, highest.tolist()))


def any_rank_later(*flags: bool) -> Callable[[], tuple[bool, ...]]:
    """Starts `any_rank` of flags without waiting; the function that is returned waits for it."""
    highest = torch.tensor(flags, dtype=torch.int64)
    work = dist.all_reduce(highest, dist.ReduceOp.MAX, async_op=True)

    def result() -> tuple[bool, ...]:
        work.wait()
        return tuple(map(bool, highest.tolist()))

    return result


def gather_objects(item: Any) -> list[Any]:
    """The small objects of all processes, ordered by rank, on each."""
    items: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(items, item)
    return items


def broadcast_object(item: Any) -> Any:
    """The object of rank 0, on every process."""
    objects = [item]
    dist.broadcast_object_list(objects, src=0)
    return objects[0]


class Rank0Failed(RuntimeError):
    """Rank 0 failed and has printed why; the other processes end with it."""

    on_every_process = True

    def __init__(self, exit_status: int) -> None:
        super().__init__(exit_status)
        self.exit_status = exit_status


def run_on_rank0(processes: Processes, work: Callable[[], None]) -> None:
    """Runs `work` on rank 0 while the others wait.

    If it raises, the others raise Rank0Failed.
    """
    failure: Exception | None = None
    if processes.is_rank0:
        try:
            work()
        except Exception as error:
            failure = error
    status = broadcast_object(failure and getattr(failure, "exit_status", 1))
    if failure is not None:
        raise failure
    if status is not None:
        raise Rank0Failed(status)


def compute_on_rank0(processes: Processes, compute: Callable[[], Result]) -> Result:
    """The result of `compute` on rank 0, on every process; its exception ends all of them."""
    results: list[Result] = []
    run_on_rank0(processes, lambda: results.append(compute()))
    shared: Result = broadcast_object(results[0] if results else None)
    return shared


def barrier() -> None:
    """Returns when every process has called it."""
    dist.barrier()


def destroy_process_group() -> None:
    """Leaves the process group when every process has called it; no collective works afterwards."""
    dist.barrier()
    dist.destroy_process_group()
