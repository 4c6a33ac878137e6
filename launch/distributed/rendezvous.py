"""Where the processes of a run meet before their group exists, and compare their GPUs."""

import json
import platform
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

from launch.distributed.device import device_id, require_working
from launch.distributed.gpu_environment import ON_CPU
from launch.errors import ConfigError

READING_SECONDS = 10  # for all processes to read why the run is refused


class Peer(NamedTuple):
    """What a process tells the others."""

    host: str
    device: str  # UUID of its GPU, or CPU
    address: str  # by which other machines reach it; empty where it does not know
    error: str  # why it cannot use its GPU


class Meeting(NamedTuple):
    """What the processes have found out together."""

    hosts: int
    address: str  # of another machine than that of rank 0; empty on a single one
    error: str  # why the run is refused


def open_store(rank: int, world_size: int, timeout: timedelta) -> Any:
    """The key-value store of a run, at MASTER_ADDR and MASTER_PORT; no port for one process."""
    if world_size == 1:
        return dist.HashStore()
    store, _, _ = next(dist.rendezvous("env://", rank, world_size, timeout=timeout))
    store.set_timeout(timeout)
    return dist.PrefixStore("run", store)


def own_peer(find: Callable[[], torch.device], address: str) -> tuple[torch.device, Peer]:
    """The device of this process, tried out, and what the others must know of it."""
    try:
        device = find()
        require_working(device)
    except ConfigError as error:
        return torch.device("cpu"), Peer(platform.node(), "", address, str(error))
    return device, Peer(platform.node(), device_id(device), address, "")


def meet(store: Any, rank: int, world_size: int, own: Peer) -> Meeting:
    """Exchanges the peers of all processes; raises ConfigError on each if their GPUs do not fit.

    A collective among such processes would wait for ever.
    """
    store.set(f"peer/{rank}", json.dumps(own))
    if rank == 0:
        peers = [Peer(*json.loads(store.get(f"peer/{each}"))) for each in range(world_size)]
        store.set("meeting", json.dumps(_compare(peers)))
    meeting = Meeting(*json.loads(store.get("meeting")))
    if meeting.error:
        _wait_for_readers(store, rank, world_size)
        raise ConfigError(meeting.error)
    return meeting


def _compare(peers: Sequence[Peer]) -> Meeting:
    elsewhere = (peer.address for peer in peers if peer.address and peer.host != peers[0].host)
    return Meeting(len({peer.host for peer in peers}), next(elsewhere, ""), _find_error(peers))


def _find_error(peers: Sequence[Peer]) -> str:
    failed = [rank for rank, peer in enumerate(peers) if peer.error]
    if failed:
        peer = peers[failed[0]]
        where = f"{_name(failed[0], peers)}: " if len(peers) > 1 else ""
        count = f" ({len(failed)} processes fail)" if len(failed) > 1 else ""
        return f"{where}{peer.error}{count}"
    on_cpu = [rank for rank, peer in enumerate(peers) if peer.device == "CPU"]
    if 0 < len(on_cpu) < len(peers):
        return (
            f"GPUs: {_name(on_cpu[0], peers)} has none, {len(peers) - len(on_cpu)} of {len(peers)} "
            f"processes have one; look at nvidia-smi there, or choose the CPU for all with {ON_CPU}"
        )
    users = defaultdict[tuple[str, str], list[int]](list)
    for rank, peer in enumerate(peers):
        users[peer.host, peer.device].append(rank)
    for (host, device), ranks in users.items():
        if len(ranks) > 1 and device != "CPU":
            own = sum(each == host for each, _ in users)
            return (
                f"GPUs: ranks {ranks[0]} and {ranks[1]} on {host} have the same one ({device}); "
                f"start {own} process{'es' * (own > 1)} there, or show another one to each (srun "
                "--gpus-per-task=1)"
            )
    return ""


def _name(rank: int, peers: Sequence[Peer]) -> str:
    return f"rank {rank} of {len(peers)} on {peers[rank].host}"


def _wait_for_readers(store: Any, rank: int, world_size: int) -> None:
    """Rank 0, which may have the store, ends last."""
    if store.add("readers", 1) == world_size:
        store.set("all have read", "")
    if rank == 0:
        with suppress(dist.DistError):
            store.wait(["all have read"], timedelta(seconds=READING_SECONDS))
