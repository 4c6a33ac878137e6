"""Counts the collectives that a process starts, by kind and bytes."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Kind(NamedTuple):
    """An operation of torch.distributed, as all libraries call it in the end."""

    name: str
    tensors: int  # index of the argument with what is reduced, or with all that is gathered
    passes: int  # in a ring, each of n processes sends passes * (n - 1) / n of these bytes


# in a ring that reduces to one process or broadcasts from one, n - 1 processes send all bytes
KINDS = {
    "allreduce_": Kind("all_reduce", 0, 2),
    "allreduce_coalesced_": Kind("all_reduce", 0, 2),
    "reduce_": Kind("reduce", 0, 1),
    "broadcast_": Kind("broadcast", 0, 1),
    "allgather_": Kind("all_gather", 0, 1),
    "_allgather_base_": Kind("all_gather", 0, 1),
    "allgather_into_tensor_coalesced_": Kind("all_gather", 0, 1),
    "reduce_scatter_": Kind("reduce_scatter", 1, 1),
    "_reduce_scatter_base_": Kind("reduce_scatter", 1, 1),
    "reduce_scatter_tensor_coalesced_": Kind("reduce_scatter", 1, 1),
    "alltoall_": Kind("all_to_all", 1, 1),
    "alltoall_base_": Kind("all_to_all", 1, 1),
}
WITHOUT_TENSORS = {"barrier", "monitored_barrier_"}


class Collective(NamedTuple):
    """One call of an operation."""

    kind: str
    bytes: int  # of what is reduced, or of all that is gathered
    sent: float  # bytes that a process sends in a ring, on average over the processes


class CountedCollectives(TorchDispatchMode):
    """A context that lists the collectives of this process; all processes take part in each.

    Bytes are those of a ring, which sends the fewest that are possible (Patarasu and Yuan, 2009). A
    backend may use another algorithm.
    """

    def __init__(self, world_size: int) -> None:
        super().__init__()
        self._share = (world_size - 1) / world_size
        self.calls: list[Collective] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if isinstance(function, torch._ops.OpOverload) and function.namespace == "c10d":
            self._count(function._schema.name.partition("::")[2], args)
        return function(*args, **(kwargs or {}))

    def _count(self, operation: str, args: tuple[Any, ...]) -> None:
        """Raises KeyError for an unknown operation, which could send many bytes."""
        if operation in WITHOUT_TENSORS:
            return
        kind = KINDS[operation]
        tensors = [leaf for leaf in tree_leaves(args[kind.tensors]) if isinstance(leaf, Tensor)]
        size = sum(tensor.nbytes for tensor in tensors)
        self.calls.append(Collective(kind.name, size, kind.passes * size * self._share))

    def sent_by_kind(self) -> dict[str, float]:
        """Bytes that a process sent, by kind of collective."""
        sent: dict[str, float] = {}
        for each in self.calls:
            sent[each.kind] = sent.get(each.kind, 0) + each.sent
        return sent
