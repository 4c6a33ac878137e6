"""Checks of the collectives: all-reduce of gloo, on the hosts, and of NCCL, between GPUs."""

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import NamedTuple

import torch
import torch.distributed as dist

from launch.distributed.gloo_interface import set_gloo_interface
from launch.doctor.check_result import Finding, Place
from launch.doctor.devices import own_gpus
from launch.doctor.isolation import Isolated, NoAnswer

LOCAL = 2  # processes of gloo where there is no launcher
CURE = (
    "see the rows above; NCCL_DEBUG=INFO and TORCH_CPP_LOG_LEVEL=INFO say which connection fails, "
    "NCCL_SOCKET_IFNAME and GLOO_SOCKET_IFNAME choose the network"
)


class Backend(NamedTuple):
    """A library of collectives, and how it is measured."""

    name: str
    device: str
    large_bytes: int
    large_times: int
    small_times: int


GLOO = Backend("gloo", "cpu", 16 * 2**20, 4, 50)
NCCL = Backend("nccl", "cuda", 256 * 2**20, 10, 100)


class Member(NamedTuple):
    """One process of a group."""

    host: str
    port: int
    rank: int
    world_size: int
    device: torch.device
    seconds: float


def gloo(place: Place) -> Finding | None:
    """With which processes exchange objects and agree to stop."""
    return _look(place, GLOO, LOCAL, lambda rank: torch.device("cpu"))


def nccl(place: Place) -> Finding | None:
    """With which GPUs exchange gradients and weights."""
    if not place.on_gpu:
        return None
    local = len(own_gpus()) if place.processes.world_size == 1 else 0
    return _look(place, NCCL, local, lambda rank: torch.device("cuda", rank))


def _look(
    place: Place, backend: Backend, local: int, device: Callable[[int], torch.device]
) -> Finding | None:
    processes, seconds = place.processes, place.seconds * 0.8
    if processes.world_size > 1:
        host, _, port = processes.address.rpartition(":")
        if place.has_other_hosts:
            set_gloo_interface((host, place.neighbour))  # as a run does
        own = torch.device("cpu") if backend is GLOO else processes.device
        member = Member(host, int(port), processes.rank, processes.world_size, own, seconds)
        gb, ms = measure(backend, member)
        return _finding(processes.world_size, "", gb, ms)
    if local < 2:
        return None
    host = "127.0.0.1"
    server = dist.TCPStore(host, 0, is_master=True, wait_for_workers=False)
    members = [
        Member(host, server.port, rank, local, device(rank), seconds) for rank in range(local)
    ]
    started = [Isolated(partial(measure, backend, each), place.seconds * 0.9) for each in members]
    problems, figures = list[str](), list[tuple[float, float]]()
    for each in started:
        try:
            figures.append(each.answer())
        except NoAnswer as error:
            problems.append(str(error))
    if problems:
        return Finding("failed", problems[0], CURE)
    gb, ms = min(figures)
    return _finding(local, " of this host", gb, ms)


def _finding(count: int, where: str, gb: float, ms: float) -> Finding:
    figure = f"{count} processes{where}: {gb:.3g} GB/s, {ms:.2g} ms for one number"
    values = {"processes": count, "gb_per_second": gb, "ms": ms}
    return Finding("ok", figure, "", values, score=gb)


def measure(backend: Backend, member: Member) -> tuple[float, float]:
    """GB/s on the bus (as nccl-tests count) of a large all-reduce, and ms of one number."""
    timeout = timedelta(seconds=member.seconds)
    store = dist.TCPStore(
        member.host, member.port, is_master=False, timeout=timeout, wait_for_workers=False
    )
    if backend is NCCL:
        torch.cuda.set_device(member.device)
    dist.init_process_group(
        backend.name,
        store=dist.PrefixStore(f"doctor/{backend.name}", store),
        rank=member.rank,
        world_size=member.world_size,
        timeout=timeout,
    )
    _require_right_sum(member)
    small = torch.zeros(1, device=member.device)
    large = torch.zeros(backend.large_bytes // small.element_size(), device=member.device)
    _seconds_each(small, 1)  # connects, and allocates
    seconds = _seconds_each(small, backend.small_times)
    _seconds_each(large, 1)
    large_seconds = _seconds_each(large, backend.large_times)
    moved = 2 * (member.world_size - 1) / member.world_size * backend.large_bytes
    dist.barrier()
    return moved / large_seconds / 1e9, 1000 * seconds


def _require_right_sum(member: Member) -> None:
    value = torch.full((1024,), float(member.rank + 1), device=member.device)
    dist.all_reduce(value)
    expected = member.world_size * (member.world_size + 1) / 2
    if not bool((value == expected).all()):
        raise NoAnswer(f"a sum is {float(value[0]):g}, not {expected:g}")


def _seconds_each(tensor: torch.Tensor, times: int) -> float:
    begin = time.perf_counter()
    for _ in range(times):
        dist.all_reduce(tensor)
    float(tensor[0])  # waits for the device
    return (time.perf_counter() - begin) / times
