"""How the processes of a command meet, and exchange what they have found."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import torch.distributed as dist

from launch.distributed.process_group import Processes

GOODBYE_SECONDS = 5.0  # for which rank 0 keeps the store after the end


class Allocation:
    """The processes that have started this command together; alone without a store.

    A plain store and no collectives: a process that is missing must not block the others.
    """

    def __init__(self, processes: Processes, store: "dist.Store | None", problem: str = "") -> None:
        self._processes, self._store, self.problem = processes, store, problem
        self._others = set(range(1, processes.world_size))  # for which rank 0 still waits

    def gather(self, name: str, item: Any, seconds: float) -> dict[int, Any]:
        """On rank 0 the items of all processes that gave one in time, by rank; else the own.

        A process that did not is not waited for again.
        """
        own = {self._processes.rank: item}
        if self._store is None:
            return own
        if not self._processes.is_rank0:
            self._store.set(f"doctor/{name}/{self._processes.rank}", json.dumps(item))
            return own
        ends = time.monotonic() + seconds
        for rank in sorted(self._others):
            with suppress(dist.DistError, RuntimeError):  # a missing one is no key of the result
                own[rank] = json.loads(self._receive(f"{name}/{rank}", ends - time.monotonic()))
        self._others &= own.keys()
        return own

    def broadcast(self, name: str, item: Any, seconds: float) -> Any:
        """The item of rank 0 on every process; `item` where rank 0 has not given one in time."""
        if self._store is None:
            return item
        if self._processes.is_rank0:
            self._store.set(f"doctor/{name}", json.dumps(item))
            return item
        try:
            return json.loads(self._receive(name, seconds))
        except (dist.DistError, RuntimeError):
            return item

    def _receive(self, key: str, seconds: float) -> bytes:
        assert self._store is not None
        self._store.wait([f"doctor/{key}"], timedelta(seconds=max(0.01, seconds)))
        return self._store.get(f"doctor/{key}")


@contextmanager
def meet(processes: Processes, seconds: float) -> Iterator[Allocation]:
    """Joins the other processes at the address of rank 0; `problem` says why that is impossible."""
    if processes.world_size == 1:
        yield Allocation(processes, None)
        return
    host, _, port = processes.address.rpartition(":")
    has_agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    try:
        store = dist.TCPStore(
            host,
            int(port),
            is_master=processes.is_rank0 and not has_agent,
            timeout=timedelta(seconds=seconds),
            wait_for_workers=False,
        )
    except (dist.DistError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        yield Allocation(processes, None, f"{processes.address}: {reason}")
        return
    allocation = Allocation(processes, store)
    yield allocation
    allocation.gather("left", True, GOODBYE_SECONDS)  # the store ends with rank 0
