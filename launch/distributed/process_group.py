"""The processes of a run: who am I, how do we talk; the same for every launcher."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from launch.distributed.malloc import disable_malloc_trim
from launch.errors import ConfigError

Found = TypeVar("Found")


@dataclass(frozen=True)
class Processes:
    """This process among all of a run."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1
    launcher: str = "one process"
    address: str = ""  # host:port where the processes meet; empty for a single one

    @property
    def is_rank0(self) -> bool:
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """The accelerator of this process; SLURM may show each process one GPU only."""
        if not torch.cuda.is_available():
            return torch.device("cpu")
        return torch.device("cuda", self.local_rank % torch.cuda.device_count())


def device_name(device: torch.device) -> str:
    """The name of a GPU's model, or CPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def detect_processes(environment: Mapping[str, str]) -> Processes:
    """Reads what torchrun, deepspeed or srun have set, or that none of them has.

    Raises ConfigError where a launcher has set only some of its variables.
    """
    if "RANK" in environment:
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        launcher = "torchrun" if "TORCHELASTIC_RUN_ID" in environment else "deepspeed"
        rank, world_size, local_rank = _numbers(environment, names)
        local = int(environment.get("LOCAL_WORLD_SIZE") or environment.get("LOCAL_SIZE") or 0)
        address = _address(environment, launcher) if world_size > 1 else ""
        return Processes(rank, world_size, local_rank, local or world_size, launcher, address)
    # A batch script itself carries SLURM_NTASKS, but only a task of srun has a step.
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
                f"environment variable {name}: is not set, though RANK is; start with torchrun, "
                "deepspeed or srun, or set it to where the first process is"
            )
    return f"{host}:{port}"


def _first_host(nodes: str) -> str:
    """The first of SLURM's list of nodes: n07 of `n[07-09,12],m1`."""
    name, bracket, numbers = nodes.partition(",")[0].partition("[")
    return name + numbers.split("-")[0].split("]")[0] if bracket else name


def _numbers(environment: Mapping[str, str], names: tuple[str, ...]) -> list[int]:
    missing = [name for name in names if not environment.get(name, "").isdigit()]
    if missing:
        raise ConfigError(
            f"environment variable {missing[0]}: {environment.get(missing[0])!r} is not a number, "
            f"though {names[0]} is set; start with torchrun, deepspeed or srun, or unset {names[0]}"
        )
    return [int(environment[name]) for name in names]


def init_process_group(processes: Processes, timeout_seconds: int) -> None:
    """Joins the process group, and shares the cores of a machine among its processes."""
    device = processes.device
    if device.type == "cuda":
        torch.cuda.set_device(device)
    else:
        disable_malloc_trim()
        _limit_threads(processes)
    os.environ.update(
        RANK=str(processes.rank),
        WORLD_SIZE=str(processes.world_size),
        LOCAL_RANK=str(processes.local_rank),
    )
    # what the host alone has to say does not wait for the device
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    timeout = timedelta(seconds=timeout_seconds)
    if processes.world_size == 1:
        store = dist.HashStore()  # no port to choose, none to collide with
        dist.init_process_group(backend, store=store, rank=0, world_size=1, timeout=timeout)
        return
    host, _, port = processes.address.rpartition(":")
    os.environ.update(MASTER_ADDR=host, MASTER_PORT=port)
    dist.init_process_group(backend, timeout=timeout)


def _limit_threads(processes: Processes) -> None:
    if "OMP_NUM_THREADS" not in os.environ or processes.launcher == "torchrun":
        # srun may have bound this process to its own cores already
        own = os.environ.get("SLURM_CPUS_PER_TASK") if processes.launcher == "srun" else None
        shared = len(os.sched_getaffinity(0)) // processes.local_world_size
        torch.set_num_threads(max(1, int(own) if own else shared))


def all_reduce_sum(values: Tensor) -> Tensor:
    """The sum of a small tensor over all processes, the same on each."""
    total = values.clone()
    dist.all_reduce(total)
    return total


def any_rank(*facts: bool) -> tuple[bool, ...]:
    """Which of these are true on at least one process, the same on each."""
    if dist.get_world_size() == 1:
        return facts
    heard = torch.tensor(facts, dtype=torch.int64)
    dist.all_reduce(heard, dist.ReduceOp.MAX)
    return tuple(map(bool, heard.tolist()))


def gather_objects(item: Any) -> list[Any]:
    """Small objects of every process, by rank, on each."""
    items: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(items, item)
    return items


def broadcast_object(item: Any) -> Any:
    """The first process's object, on each."""
    box = [item]
    dist.broadcast_object_list(box, src=0)
    return box[0]


class Rank0Failed(RuntimeError):
    """The first process could not do its part and has said why; the others end with it."""

    on_every_process = True

    def __init__(self, exit_status: int) -> None:
        super().__init__(exit_status)
        self.exit_status = exit_status


def run_on_rank0(processes: Processes, work: Callable[[], None]) -> None:
    """Runs `work` on the first process while the others wait.

    What it raises ends all of them: the others raise FirstProcessFailed.
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


def compute_on_rank0(processes: Processes, find: Callable[[], Found]) -> Found:
    """What `find` returns on the first process, on each; what it raises ends all of them."""
    found: list[Found] = []
    run_on_rank0(processes, lambda: found.append(find()))
    shared: Found = broadcast_object(found[0] if found else None)
    return shared


def barrier() -> None:
    """Returns when every process has come here."""
    dist.barrier()


def destroy_process_group() -> None:
    """Leaves the process group when all have come here; nothing can be agreed on afterwards."""
    dist.barrier()
    dist.destroy_process_group()
